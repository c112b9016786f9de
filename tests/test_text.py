"""Passages, sentences, tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragbot.text import chunks, storable
from ragbot.text.chunks import passages
from ragbot.text.sentences import sentences
from ragbot.text.tokens import content, query_tokens, simplified, tokens

PROSE = st.text(st.sampled_from("ab. \n#|-。字!?\t1"), max_size=400)


def parts(text, pages=()):
    return [text[p.start : p.end] for p in passages(text, pages)]


@given(PROSE)
def test_passages_hold_every_word_once_and_in_order(text):
    found = passages(text)
    assert all(a.end <= b.start for a, b in zip(found, found[1:], strict=False))
    assert "".join("".join(part.split()) for part in parts(text)) == "".join(text.split())


@given(st.text(max_size=5000))
def test_no_passage_is_longer_than_the_limit(text):
    assert all(
        chunks._weighted_length(text, p.start, p.end) <= chunks.MAX_PASSAGE_CHARACTERS
        for p in passages(text)
        if "```" not in text
    )


@given(st.lists(st.text("abc .\n", min_size=1, max_size=300), min_size=1, max_size=5))
def test_no_passage_spans_two_pages(texts):
    pages = [0]
    for text in texts[:-1]:
        pages.append(pages[-1] + len(text) + 2)
    whole = "\n\n".join(texts)
    for p in passages(whole, pages):
        assert p.page is not None
        assert pages[p.page - 1] <= p.start
        assert p.page == len(pages) or p.end <= pages[p.page]


@pytest.mark.parametrize("heading", [True, False])
def test_an_edited_paragraph_changes_the_passages_around_it_only(heading):
    paragraphs = [f"Paragraph {n} speaks of thing {n * 7 % 31}. " * 3 for n in range(400)]
    if heading:
        paragraphs = [f"# Heading {n}\n\n{p}" if n % 5 == 0 else p for n, p in enumerate(paragraphs)]
    before = set(parts("\n\n".join(paragraphs)))
    paragraphs[40] = "This one is new. " * 4
    paragraphs.insert(10, "And this one was inserted. " * 3)
    after = set(parts("\n\n".join(paragraphs)))
    assert len(before) > 60
    assert len(after - before) <= 10


def test_an_edited_sentence_changes_the_passages_around_it_only():
    """In a paragraph, a list and a table that are too long."""
    for join, form in ((" ", "{}"), ("\n", "- {}"), ("\n", "a | {}")):
        lines = [form.format(f"Sentence {n} speaks of thing {n * 7 % 31} in many words.") for n in range(600)]
        text = "# Heading\n" + join.join(lines)
        edited = "# Heading\n" + join.join([*lines[:50], form.format("This one is new."), *lines[50:200], *lines[201:]])
        before, after = ({(p.heading, t[p.start : p.end]) for p in passages(t)} for t in (text, edited))
        assert len(before) > 40 and len(after - before) <= 8


def test_headings_stay_with_what_follows_and_are_known_below():
    text = "# Fees\n\n## Adults\n\nAdults pay 9.\n\n## Children\n\nChildren pay 4."
    found = passages(text)
    assert [text[p.start : p.end] for p in found] == ["# Fees\n\n## Adults\n\nAdults pay 9.", "## Children\n\nChildren pay 4."]
    assert [p.heading for p in found] == ["", "Fees"]


def test_a_hash_in_code_is_no_heading():
    text = "# Real\n\n```\n# comment\n\nx = 1\n```\n\nAfter."
    assert all("comment" not in p.heading for p in passages(text))


def test_an_indented_fence_is_one():
    text = '=== "New"\n\n    ```sh\n    make\n\n    make test\n    ```\n\nOne.\n\n=== "Old"\n\n    ```sh\n    run\n    ```'
    text += "\n\nTwo. And three."
    parts = [text[start:end] for start, end in chunks._paragraphs(text, ())]
    assert [part for part in parts if "```" not in part] == ['=== "New"', "One.", '=== "Old"', "Two. And three."]


def test_a_fence_that_was_never_closed_turns_nothing_inside_out():
    """The next one that opens has words after it, so it cannot be the end of this one."""
    text = "One.\n\n```sh\nmake\n\n```Python\nx = 1\n\ny = 2\n```\n\nTwo.\n\n```Python\nz = 3\n\nw = 4\n```\n\nThree."
    parts = [text[start:end] for start, end in chunks._paragraphs(text, ())]
    assert [part for part in parts if not part.startswith("```")] == ["One.", "Two.", "Three."] and len(parts) == 5
    text = "One.\n\n```sh\nmake\n\nTwo.\n\nThree."
    assert [text[start:end] for start, end in chunks._paragraphs(text, ())] == ["One.", "```sh\nmake", "Two.", "Three."]


def headings(text, pages=()):
    return [p.heading for p in passages(text, pages)]


SENTENCES = " ".join(f"This is sentence number {n} of a long paragraph." for n in range(40))


@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_a_heading_is_known_below_with_and_without_a_blank_line(gap):
    text = f"# Alpha\n\n## Beta{gap}{SENTENCES}"
    assert set(headings(text)[1:]) == {"Alpha > Beta"}
    assert parts(text)[0].startswith(f"# Alpha\n\n## Beta{gap}This")


def test_a_heading_stands_before_its_code():
    text = "# Alpha\n```sh\n" + "# not one\nmake it\n" * 60 + "```\n## Beta\nIt is made.\n\n" + SENTENCES
    assert set(headings(text)) == {"", "Alpha", "Alpha > Beta"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Title\n=====", "Title"),
        ("Sub\n---", "Sub"),
        ("Title\n=====\n\nWords.\n\nSub\n-----", "Title > Sub"),
        ("Title\n=====\nSub\n---", "Title > Sub"),
        ("# Title\nSub\n---", "Title > Sub"),
        ("标题\n======", "标题"),
        ("1. Title\n========", "1. Title"),
        ("=======\n Title\n=======\n\nOne\n===\n\nTwo\n---\n\nThree\n~~~~~\n\nFour\n^^^^", "Title > One > Two > Three > Four"),
        ("Title\n*****\n\nOne\n===\n\nTwo\n---\n\nThree\n---------", "Title > One > Three"),
        ("Name | Price\n-----\nBolt | 3", ""),
        ("| Name\n------", ""),
        ("---\ntitle: A page\n\ndate: today\n---", ""),
        ("- An item\n---------", ""),
        ("1. An item\n---", ""),
        ("> Quoted\n--------", ""),
        ("The end of it.\n---", ""),
        ("Two lines\nof a text\n---------", ""),
        ("Ana\n--\nAna Smith", ""),
        ("Too long\n~~~~", ""),
        ("=====\n=====", ""),
        ("Bolt     3\n----------", ""),
        ("    Title\n    -----", ""),
    ],
)
def test_headings_by_the_line_below_them(text, expected):
    assert headings(f"{text}\n\n{SENTENCES}")[-1] == expected


def test_tildes_below_a_title_open_no_fence():
    text = f"One\n===\n\nTwo\n---\n\nThree\n~~~~~\n\nWords.\n\nFour\n----\n\n{SENTENCES}"
    assert headings(text)[-1] == "One > Four"
    text = "Run this:\n~~~\n# not one\n\nmake\n~~~\n\n" + SENTENCES
    assert set(headings(text)) == {""}


def test_a_cell_is_no_heading():
    rows = [f"{number} | part {number} | Use it with care. Wear goggles." for number in range(40)]
    for header in ("# | Name | Rule", "# of parts | Name | Rule"):
        text = "\n".join(["# Parts\n", header, *rows])
        assert set(headings(text)[1:]) == {f"Parts > {header}"}
    text = "\n".join(["# Parts\n", "No | Name | Rule", "## 1 | Bolt | Wear goggles.", *rows])
    assert set(headings(text)[1:]) == {"Parts > No | Name | Rule"}
    assert headings(f"# Bolts | Parts\n{SENTENCES}")[-1] == "Bolts | Parts"
    assert {p.heading for p in passages("# Stock\n\n# comment\nName: Bolt\n```\n" + "\nName: Nut" * 200, rows=True)} == {
        "",
        "Stock",
    }


def test_a_comment_in_indented_code_is_no_heading():
    text = f"Title\n=====\n\n.. code::\n\n   # comment\n   make\n\n{SENTENCES}"
    assert set(headings(text)) == {"", "Title"}
    assert headings(f" # Title\n\n{SENTENCES}")[-1] == "Title"


def test_headings_are_short_and_without_the_signs_after_them():
    assert headings("Hello\n\n# x" + " " * 30_000 + "y ##\n\n" + SENTENCES)[-1] == "x y"
    assert len(headings(f"# {'word ' * 1000}\n\n{SENTENCES}")[-1]) <= 200


def test_a_heading_at_the_end_of_a_page_stays_on_it():
    text = "Words.\n\n# Heading\n\nMore words."
    assert [(p.page, text[p.start : p.end]) for p in passages(text, [0, text.index("More")])] == [
        (1, "Words."),
        (1, "# Heading"),
        (2, "More words."),
    ]


def test_chinese_is_cut_at_sentences():
    text = "图书馆每天九点开门。" * 100
    assert all(part.endswith("。") for part in parts(text))


@given(st.text(max_size=400))
def test_sentences_are_in_order_and_lose_no_letter(text):
    found = sentences(text)
    assert all(a.end <= b.start for a, b in zip(found, found[1:], strict=False))
    kept = sum(sum(char.isalnum() for char in text[a:b]) for a, b in found)
    assert kept == sum(char.isalnum() for char in text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It opens at 9 a.m. on Monday. Dr. Smith is in.", ["It opens at 9 a.m. on Monday.", "Dr. Smith is in."]),
        ("The lab opens\nat 9:00 on weekdays.\nBring a badge.", ["The lab opens\nat 9:00 on weekdays.", "Bring a badge."]),
        ("- Saturday: 10 to 2\n- Sunday: closed", ["- Saturday: 10 to 2", "- Sunday: closed"]),
        ("1. First step.\n2. Second step.", ["1. First step.", "2. Second step."]),
        ("图书馆九点开门。周日休息！谁来？", ["图书馆九点开门。", "周日休息！", "谁来？"]),
        ("Kind | Limit\nHotel | £95", ["Kind | Limit", "Hotel | £95"]),
        (
            "order: 20417; status: packed\norder: 20431; status: shipped,\nwhich is all of it",
            ["order: 20417; status: packed", "order: 20431; status: shipped,\nwhich is all of it"],
        ),
        ("It costs 3.50 euros. Version 2.0 is out.", ["It costs 3.50 euros.", "Version 2.0 is out."]),
        ("In the U.S. patents last 20 years.", ["In the U.S. patents last 20 years."]),
        ("# Title\nText follows here.", ["# Title", "Text follows here."]),
        ("Title\n=====\ntext follows here.", ["Title", "text follows here."]),
        ("Hello " + "." * 30_000 + "x", ["Hello " + "." * 30_000 + "x"]),
        ("请先使用我们提供的\nPython 程序登记，\nThen 关门。", ["请先使用我们提供的\nPython 程序登记，\nThen 关门。"]),
        ("请阅读《手册》\nA 章。", ["请阅读《手册》\nA 章。"]),
        ("口号是《加油！》，凡是《你好！李焕英》都看。好。", ["口号是《加油！》，凡是《你好！李焕英》都看。", "好。"]),
        ("他说：“快跑！！”，然后就跑了。【完。】好。", ["他说：“快跑！！”，然后就跑了。", "【完。】", "好。"]),
        ('他说："走。"好。', ['他说："走。"', "好。"]),
        ("没有写完的《书名。好。", ["没有写完的《书名。好。"]),
        ("没有写完的《书名" + "很长" * 30 + "。好。", ["没有写完的《书名" + "很长" * 30 + "。", "好。"]),
        ("步骤如下\n1、安装\n（2）登记\n三、关门\n　　4、离开", ["步骤如下", "1、安装", "（2）登记", "三、关门", "4、离开"]),
        ("", []),
    ],
)
def test_sentences(text, expected):
    assert [text[a:b] for a, b in sentences(text)] == expected


def test_tokens():
    assert tokens("The Lab's opening hours") == ["the", "lab", "open", "hour"]
    assert content("What are the lab's opening hours?") == ["lab", "open", "hour"]
    assert content("图书馆什么时候开门？") == ["图书", "书馆", "开门"]
    assert tokens("ﬁle Ａ１") == ["file", "a1"]
    assert tokens("") == []


@pytest.mark.parametrize(
    ("traditional", "simple"),
    [
        ("診所星期幾關門？", "诊所星期几关门？"),
        ("會員可以帶幾個客人進體育館", "会员可以带几个客人进体育馆"),
        ("ＷｉＦｉ密碼寫在櫃檯後面的牆上", "WiFi密码写在柜台后面的墙上"),
    ],
)
def test_traditional_characters_are_read_as_simplified_ones(traditional, simple):
    assert tokens(traditional) == tokens(simple)
    assert content(traditional) == content(simple)
    assert query_tokens(traditional) == query_tokens(simple)


@given(st.text(st.sampled_from("診所㑮乾a ８門，")))
def test_a_text_in_simplified_characters_is_as_long(text):
    assert len(simplified(text)) == len(text)


def test_storable():
    assert storable("a\ud800b你好") == "a\ufffdb你好"


# Tables, lists, Chinese sentences, code

ROWS = [
    f"| tool {number} | shelf {number * 7 % 50} | a sentence about it. And one more, to make it long |" for number in range(60)
]
TABLE = "\n".join(["| Tool | Shelf | What for |", "|---|---|---|", *ROWS])


def test_rows_are_never_cut_and_their_table_is_known_in_every_passage():
    text = f"# Stock\n\n{TABLE}\n\nAfter it."
    found = [p for p in passages(text) if "| tool" in text[p.start : p.end]]
    assert len(found) > 3
    lines = [line for p in found for line in text[p.start : p.end].split("\n") if line.startswith("| tool")]
    assert lines == ROWS
    assert found[0].heading == "" and {p.heading for p in found[1:]} == {"Stock > Tool | Shelf | What for"}


def test_a_row_longer_than_a_passage_stays_whole():
    row = "| long | " + "words without an end, " * 80 + "|"
    text = f"| a | b |\n{row}\n| c | d |"
    assert [part for part in parts(text) if row in part]


LONG_ROWS = [f"tool {number} | Use it with care. Wear goggles. Never leave it alone. | Room {number}" for number in range(40)]


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        (["## Tools", "Tool | Rules | Room"], [], "Tools > Tool | Rules | Room"),
        (["Tools", "=====", "Tool | Rules | Room"], [], "Tools > Tool | Rules | Room"),
        (["Table 1: the tools", "of the shop", "Tool | Rules | Room"], [], "Tool | Rules | Room"),
        (["Tool | Rules | Room", "Hand tools"], [], "Tool | Rules | Room"),
        (["Tool | Rules | Room", "Hand tools |", "Small ones |"], [], "Tool | Rules | Room"),
        (["Tool | Rules | Room"], ["Hand tools |", "Small ones |"], "Tool | Rules | Room"),
    ],
)
def test_rows_are_never_cut_whatever_stands_around_them(before, after, path):
    lines = [*before, *LONG_ROWS, *after]
    text = "\n".join(lines)
    assert [line for part in parts(text) for line in part.split("\n")] == lines
    assert set(headings(text)[1:]) == {path}


def test_what_stands_after_a_table_is_not_of_it():
    text = "\n".join(["Tool | Rules | Room", *LONG_ROWS, SENTENCES])
    found = {
        p.heading for p in passages(text) if "sentence number" in text[p.start : p.end] and " | " not in text[p.start : p.end]
    }
    assert found == {""}
    again = "\n".join(["Tool | Rules | Room", *LONG_ROWS, "The other tools", "of the shop", *LONG_ROWS])
    assert set(headings(again)[1:]) == {"Tool | Rules | Room", ""}, "the first row of the second table may be no header"


def test_a_bar_in_a_sentence_makes_no_row_of_it():
    text = SENTENCES.replace("number 20", "number 20 | 21")
    assert all(part.endswith(".") for part in parts(text)) and max(map(len, parts(text))) <= chunks.MAX_PASSAGE_CHARACTERS


def test_items_of_a_long_list_stay_whole():
    items = [f"- Item {number} is about something. It says more in a second sentence, and is done." for number in range(40)]
    text = "\n".join(items)
    assert len(parts(text)) > 3
    assert [line for part in parts(text) for line in part.split("\n")] == items


@pytest.mark.parametrize("sign", ["{}、", "（{}）", "({})", "　　{}、"])
def test_items_of_a_chinese_list_stay_whole(sign):
    items = [sign.format(number) + "安装之前请先阅读说明书。然后检查零件。最后把电源线插好。" for number in range(1, 30)]
    text = "\n".join(items)
    assert len(parts(text)) > 3
    assert [line.strip() for part in parts(text) for line in part.split("\n")] == [item.strip() for item in items]


def test_chinese_sentences_are_never_cut():
    sentence = "实验室的窑炉每周四晚上点火，" * 24 + "请提前一天向管理员登记。"
    text = sentence * 5
    assert all(part.endswith("。") for part in parts(text)) and "".join(parts(text)) == text
    assert max(map(len, parts(text))) > chunks.MAX_PASSAGE_CHARACTERS // 3, "a long one is a passage of its own"
    longest = "第一条" + "，".join(["甲方应当在收到通知之后履行其全部义务"] * 60) + "。"
    assert chunks.MAX_WHOLE_CHARACTERS * 2 // 3 < chunks._weighted_length(longest, 0, len(longest)) <= chunks.MAX_WHOLE_CHARACTERS
    assert longest in parts(f"前言很短。{longest}结束了。")
    mixed = "请在 " + " ".join(f"https://example.com/very/long/address/{n}/index.html" for n in range(20)) + " 下载所有的文件。"
    assert mixed in parts(f"前言。{mixed}结束。")


def test_hard_wrapped_lines_are_cut_between_sentences():
    words = "The kiln is fired on Thursday evening by whoever signed up\nfor it and nobody else may open it before noon. " * 20
    assert all(part.rstrip().endswith("noon.") for part in parts(words))


def test_records_are_never_cut():
    records = [f"Name: Tool {n}; Note: A sentence about it. And one more, to make it long; Shelf: {n}" for n in range(60)]
    found = [part for p in passages("\n".join(records), rows=True) for part in "\n".join(records)[p.start : p.end].split("\n")]
    assert found == records


def test_passages_of_code_carry_their_definitions():
    body = "".join(f"\n        x{line} = 1" for line in range(40))
    methods = "\n\n".join(f"    def method_{n}(self):\n        # Not a heading\n        return {n}{body}" for n in range(6))
    text = f"import os\n\n\nclass Kiln:\n    pass\n\n{methods}\n\n\ndef alone():\n    return 1\n"
    found = [(p.heading, text[p.start : p.end]) for p in passages(text, code=True)]
    assert all(heading.startswith("class Kiln") for heading, part in found if "method_" in part and "class" not in part)
    assert [heading for heading, part in found if "def alone" in part] == [""]
    assert "Not a heading" not in {heading for heading, _ in found}
