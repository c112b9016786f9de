"""What a message is: asked, told, a greeting, a reply, a wish for a person."""

import pytest

from ragbot.text import messages


@pytest.mark.parametrize(
    "text",
    [
        "My badge number is 4471.",
        "I moved to Berlin in May.",
        "我的工号是4471。",
        "We close early on Fridays!",
        "I know who is in charge",
        "My favourite is what was served on Friday.",
        "The desk decides who is let in.",
        "My brother Tom, who lives in Graz, is coming on Friday.",
        "I moved to Graz, where I work now.",
        "My sister is a nurse, and will visit me on Sunday.",
        "And my dog is called Rex.",
        "May is my favourite month.",
        "Will is my brother.",
        "What I like is tea.",
        "When I was five I moved to Graz.",
        "About me: I am a nurse.",
        "Name: Anna Bauer",
        "我住在格拉茨",
    ],
)
def test_what_is_told(text):
    assert messages.parse(text).statements == text
    assert not messages.parse(text).question


@pytest.mark.parametrize(
    "text",
    [
        "When does the lab open?",
        "tell me about fees",
        "and on Sunday?",
        "opening hours sunday",
        "in the comics who does Archie marry",
        "1. what are the duties of a steward",
        "the function of the valve is",
        "the large pad below the thumb is called ",
        "图书馆几点开门",
        "How are fees paid",
        "My parrot is called Polly, what should I feed it",
        "hotel",
        "那周日呢",
        "whats the latest time i can leave my room",
        "wich room has a sea view",
        "Quiz me.",
        "图书馆在几楼",
        "我能不能带狗",
        "你们有没有停车位",
        "这个是不是免费的",
        "会议在周几",
        "我的快递到了没有",
        "診所在幾樓",
        "我想知道退货期限",
        "I lost my card, what should I do",
        "I have a dog, can I bring it",
        "I moved, where do I send the form",
        "When I am ill, who do I call",
    ],
)
def test_what_is_asked(text):
    assert messages.parse(text).statements == ""
    assert messages.parse(text).question


def test_a_message_may_do_both():
    text = "My badge number is 4471. When does the lab open?"
    assert messages.parse(text).statements == "My badge number is 4471."
    assert messages.parse(text).question


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "Hi there!",
        "你好",
        "谢谢！",
        "Good morning",
        "thanks a lot",
        "谢谢你",
        "好的谢谢",
        "謝謝您",
        "你好吗",
        "No, thanks",
        "Thanks a lot for your help",
        "How are you today?",
    ],
)
def test_greetings(text):
    assert messages.is_greeting(text)


@pytest.mark.parametrize(
    "text",
    [
        "hello world program",
        "good morning shift hours?",
        "你好吗，几点开门",
        "好的，图书馆几点开门",
        "thanks to whom is the hall named",
    ],
)
def test_no_greetings(text):
    assert not messages.is_greeting(text)


HISTORY = [("user", "When does the lab open?"), ("assistant", "At 9:00."), ("user", "thanks"), ("assistant", "Hello.")]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("And on Sunday?", "When does the lab open? And on Sunday?"),
        ("Is it far?", "When does the lab open? Is it far?"),
        ("Where can visitors park their bikes?", "Where can visitors park their bikes?"),
        ("Where can visitors park bikes?", "Where can visitors park bikes?"),
    ],
)
def test_questions_that_lean_on_the_history(question, expected):
    assert messages.contextualize(question, HISTORY) == expected
    assert messages.contextualize(question, []) == question


def test_what_was_asked_is_leant_on_and_no_small_talk_nor_what_was_told():
    history = [("user", "My drill is broken. When does the lab open?"), ("user", "Nice to meet you")]
    assert messages.contextualize("And on Sunday?", history) == "When does the lab open? And on Sunday?"


@pytest.mark.parametrize("text", ["其他城市的图书馆几点开门", "吉他课程在哪里"])
def test_not_every_such_sign_points_back(text):
    assert not messages.is_context_dependent(text)


@pytest.mark.parametrize(
    "text",
    [
        "Please connect me with a real person",
        "I want to talk to support",
        "Can a human help me?",
        "I want a real person please",
        "Please get me a manager.",
        "转接人工",
        "请帮我接人工",
        "找客服",
    ],
)
def test_who_wants_a_person(text):
    assert messages.wants_person(text)


@pytest.mark.parametrize(
    "text",
    [
        "Do you need someone over 18 to sign?",
        "Do I need staff approval for a refund?",
        "I need the manager's email",
        "What do I do if I need someone else to collect it?",
        "I don't want to talk to a human",
        "不要转人工",
        "人工客服几点上班？",
        "真人模特穿的是什么尺码？",
    ],
)
def test_who_wants_none(text):
    assert not messages.wants_person(text)


@pytest.mark.parametrize(
    "text",
    [
        "18:00",
        "I think it is 18:00.",
        "I don't know",
        "Could be chlorophyll",
        "About 30",
        "And 9 pm",
        "May",
        "是18点",
        "不知道",
    ],
)
def test_what_may_be_a_reply(text):
    assert messages.may_reply(text)


@pytest.mark.parametrize(
    "text",
    [
        "The phloem?\n",
        " when does the lab open",
        "My exam is on 4 May.",
        "No thanks",
        "Let's go on",
        "Stop asking me questions",
        "more about the xylem",
        "It is 18:00. Now tell me about the xylem",
        "讲讲光合作用",
        "thanks",
    ],
)
def test_what_is_none(text):
    assert not messages.may_reply(text)
