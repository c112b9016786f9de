"""Claims with one thing changed, in English and Chinese, and questions with a slip of the finger."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from ragbot.text.tokens import has_cjk
from training.answerability.corruptions import MONTHS, OPPOSITES, parts

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD_NUMBERS = "two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred thousand".split()
_CHINESE_NUMBERS = "一二三四五六七八九十"
KINDS = ("number", "unit", "negation", "direction", "name", "quantifier")
UNITS = [
    "seconds minutes hours days weeks months years".split(),
    "second minute hour day week month year".split(),
    "millimetres centimetres metres kilometres miles feet inches".split(),
    "meters kilometers miles feet inches".split(),
    "km m cm mm".split(),
    "grams kilograms tonnes pounds".split(),
    "dollars euros pounds yen".split(),
    "million billion thousand".split(),
    "percent million".split(),
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    MONTHS.split("|"),
]
CHINESE_UNITS = [
    ["秒", "分钟", "小时", "天", "周", "个月", "年"],
    ["米", "公里", "厘米"],
    ["元", "美元", "欧元"],
    ["万", "亿", "千"],
    ["公斤", "克", "吨"],
]
CHINESE_OPPOSITES = """增加 减少|上升 下降|提高 降低|之前 之后|以前 以后|最大 最小|最高 最低|最早 最晚
|东部 西部|南部 北部|东北 西南|允许 禁止|可以 不可以|必须 不必|支持 反对|成功 失败|开始 结束
|出生 去世|第一 最后|高于 低于|多于 少于|以上 以下|以内 以外|内部 外部|国内 国外|男性 女性
|父亲 母亲|加入 退出|打开 关闭|进口 出口|购买 出售|胜利 失败|早上 晚上|上午 下午"""
QUANTIFIERS = """all some|every no|always sometimes|only also|most few|many few|each no|never often|both neither|at_least at_most
|more_than less_than"""
CHINESE_QUANTIFIERS = "全部 部分|所有 少数|至少 至多|都 不都|大多数 少数|总是 偶尔|仅 也|只 也"
_VERB = re.compile(r"\b(is|was|were|are|can|could|did|has|had|have|will|would|must|may|should|does|do)\b(?! not)")
_NOT = re.compile(r"\s*\b(?:not|never)\b|n't\b")
_CHINESE_NOT = re.compile("不是|没有|不能|不会|不可|不得|未能|不")
_CHINESE_VERB = re.compile("是|能够|能|会|可以|有|曾|被|应当|必须")
_CHINESE_NAME = re.compile("《[^》]{1,12}》|[\u4e00-\u9fff]{2,3}(?=省|市|县|大学|人|国)")


def altered(said: str, kind: str, rng: random.Random) -> str | None:
    """A sentence with one thing of that kind changed; None where it has none. "" leaves out words that change nothing."""
    chinese = has_cjk(said)
    ways: dict[str, Callable[[], str | None]] = {
        "": lambda: said if chinese else _thinner(said, rng),
        "number": lambda: _number(said, chinese, rng),
        "unit": lambda: _other_of(said, CHINESE_UNITS if chinese else UNITS, chinese, rng),
        "direction": lambda: _swapped(said, _pairs(CHINESE_OPPOSITES if chinese else OPPOSITES), chinese, rng),
        "quantifier": lambda: _swapped(said, _pairs(CHINESE_QUANTIFIERS if chinese else QUANTIFIERS), chinese, rng),
        "negation": lambda: _negated(said, chinese, rng),
        "name": lambda: _named(said, chinese, rng),
    }
    return ways[kind]()


def _thinner(said: str, rng: random.Random) -> str:
    """Without an aside: what stands in brackets, or a first phrase before a comma."""
    short = re.sub(r"\s*\([^)]*\)", "", said) if rng.random() < 0.6 else said
    if rng.random() < 0.3 and (m := re.match(r"(?:In|On|At|After|Before|However|Today)[^,]{0,40},\s*(\w)", short)):
        short = m.group(1).upper() + short[m.end() :]
    return short


def _number(said: str, chinese: bool, rng: random.Random) -> str | None:
    found = list(_NUMBER.finditer(said))
    if not found:
        if chinese:
            found = [m for m in re.finditer(f"[{_CHINESE_NUMBERS}](?=[个年月日天次人名元万千百岁座种])", said)]
            if not found:
                return None
            one = rng.choice(found)
            return said[: one.start()] + rng.choice([c for c in _CHINESE_NUMBERS if c != one.group()]) + said[one.end() :]
        words = [m for m in re.finditer(r"\b[a-z]+\b", said) if m.group() in _WORD_NUMBERS]
        if not words:
            return None
        one = rng.choice(words)
        return said[: one.start()] + rng.choice([w for w in _WORD_NUMBERS if w != one.group()]) + said[one.end() :]
    one = rng.choice(found)
    text = one.group()
    digits = [at for at, c in enumerate(text) if c.isdigit()]
    if rng.random() < 0.5 and len(digits) > 1:
        at = rng.choice(digits)
        other = text[:at] + rng.choice([d for d in "123456789" if d != text[at]]) + text[at + 1 :]
    else:
        plain = text.replace(",", "")
        value = float(plain) if plain.replace(".", "", 1).isdigit() else 0.0
        moved = (
            value + rng.choice((-10, -5, -3, -2, -1, 1, 2, 3, 5, 10, 100))
            if rng.random() < 0.6
            else value * rng.choice((2, 3, 10, 0.5))
        )
        other = f"{abs(moved) or 7:.10g}"
        if "," in text and "." not in other:
            other = f"{int(float(other)):,}"
    return None if other == text else said[: one.start()] + other + said[one.end() :]


def _other_of(said: str, groups: Sequence[Sequence[str]], chinese: bool, rng: random.Random) -> str | None:
    found = list[tuple[re.Match[str], list[str]]]()
    for group in groups:
        for word in group:
            pattern = rf"(?<=[\d几数]){word}" if chinese else rf"\b{word}\b"
            found += [(m, [other for other in group if other != word]) for m in re.finditer(pattern, said)]
    if not found:
        return None
    one, others = rng.choice(found)
    return said[: one.start()] + rng.choice(others) + said[one.end() :]


def _pairs(text: str) -> list[tuple[str, str]]:
    """Opposites in both directions; "_" stands for a space in one."""
    pairs = [[word.replace("_", " ") for word in pair.split()] for pair in text.replace("\n", "").split("|")]
    return [way for one, other in pairs for way in ((one, other), (other, one))]


def _swapped(said: str, pairs: list[tuple[str, str]], chinese: bool, rng: random.Random) -> str | None:
    found = [
        (m, other)
        for one, other in pairs
        for m in re.finditer(re.escape(one) if chinese else rf"\b{one}\b", said, 0 if chinese else re.IGNORECASE)
    ]
    if not found:
        return None
    match, other = rng.choice(found)
    other = other.capitalize() if match.group()[:1].isupper() else other
    return said[: match.start()] + other + said[match.end() :]


def _negated(said: str, chinese: bool, rng: random.Random) -> str | None:
    no, verb = (_CHINESE_NOT, _CHINESE_VERB) if chinese else (_NOT, _VERB)
    if match := no.search(said):
        kept = {"没有": "有", "不是": "是"}.get(match.group(), match.group()[1:] if chinese else "")
        return said[: match.start()] + kept + said[match.end() :]
    found = list(verb.finditer(said))
    if not found:
        return None
    one = rng.choice(found[:2])
    if chinese:
        other = {"有": "没有", "曾": "未曾", "被": "没有被", "必须": "不必"}.get(one.group(), f"不{one.group()}")
        return said[: one.start()] + other + said[one.end() :]
    return said[: one.end()] + f" {rng.choice(('not', 'not', 'never'))}" + said[one.end() :]


def _named(said: str, chinese: bool, rng: random.Random) -> str | None:
    if chinese:
        found = [(m.start(), m.end(), m.group()) for m in _CHINESE_NAME.finditer(said)]
    else:
        found = [(p.start, p.end, p.text) for p in parts(said) if p.kind == "name" and p.start > 0]
    if len({text for *_, text in found}) < 2:
        return None
    one = rng.choice(found)
    other = rng.choice([text for *_, text in found if text != one[2]])
    if other in one[2] or one[2] in other:
        return None
    # The two change places, or the one stands twice.
    if rng.random() < 0.6:
        hole = "\x00"
        return said.replace(one[2], hole).replace(other, one[2]).replace(hole, other)
    return said[: one[0]] + other + said[one[1] :]


def misspelt(text: str, rng: random.Random) -> str:
    """A text with one letter doubled, lost, changed or out of order in one of its longer words."""
    words = [m for m in re.finditer(r"\b[A-Za-z]{4,}\b", text)]
    if not words:
        return text
    one = rng.choice(words)
    word = one.group()
    at = rng.randrange(1, len(word) - 1)
    other = rng.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + rng.choice("aeiounrst") + word[at + 1 :],
        )
    )
    return text[: one.start()] + other + text[one.end() :]
