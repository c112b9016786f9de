"""What a claim must not have where its sources have another: numbers, units, names, addresses, opposites, bounds, negations.

Rules over words. They cannot see that a claim is supported, only where it is not; nearness in meaning and shared words say the
rest (`ragbot.answer.verify`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import combinations

from ragbot.answer.lexical import CASED, addresses, counted
from ragbot.text.codes import codes_in
from ragbot.text.numbers import numbers
from ragbot.text.polarity import NEGATION
from ragbot.text.tokens import content, has_cjk, simplified

_OPPOSITES = """before/after above/below over/under more/less/fewer most/least/few increase/decrease/reduce
increased/decreased/reduced increases/decreases/reduces increasing/decreasing rise/fall rises/falls
rose/fell raise/lower raised/lowered higher/lower highest/lowest high/low larger/smaller largest/smallest
large/small bigger/smaller longer/shorter longest/shortest earlier/later earliest/latest early/late
first/last/second/third north/south east/west northern/southern eastern/western left/right inside/outside
internal/external maximum/minimum upper/lower allowed/forbidden/prohibited permitted/prohibited
required/optional include/exclude includes/excludes included/excluded accept/reject accepted/rejected
won/lost win/lose winner/loser begin/end began/ended begins/ends start/finish started/finished buy/sell
bought/sold import/export best/worst better/worse positive/negative male/female men/women boys/girls
father/mother son/daughter husband/wife brother/sister older/younger oldest/youngest arrive/depart/leave
open/closed opens/closes opened/closed succeed/fail succeeded/failed success/failure support/oppose
supported/opposed gain/loss profit/loss debit/credit public/private domestic/foreign all/some every/no
always/sometimes/never/rarely often/never/rarely frequently/rarely usually/rarely many/few both/neither
top/bottom near/far new/old possible/impossible with/without day/night morning/evening summer/winter
spring/autumn join/leave born/died birth/death alive/dead full/empty legal/illegal direct/indirect
major/minor heavy/light hot/cold warm/cold wet/dry fast/slow faster/slower strong/weak stronger/weaker
deep/shallow wide/narrow thick/thin rich/poor same/different single/double free/paid cheap/expensive
cheaper/dearer sent/received lend/borrow"""
_OPPOSITES_CJK = """增加/减少 上升/下降 提高/降低 之前/之后 以前/以后 最大/最小 最高/最低 最早/最晚 允许/禁止 必须/不必
支持/反对 成功/失败 开始/结束 第一/最后 高于/低于 多于/少于 以上/以下 以内/以外 室内/室外 国内/国外
男/女 上午/下午/晚上 早上/晚上 至少/至多 所有/部分 全部/部分 收入/支出 买/卖 进/出 免费/收费 提前/推迟
左/右 东/西 南/北"""
_FAMILIES = """second/seconds/minute/minutes/hour/hours/day/days/night/nights/week/weeks/month/months/year/years/decade/decades
monday/tuesday/wednesday/thursday/friday/saturday/sunday
january/february/march/april/june/july/august/september/october/november/december
mm/cm/m/km/millimetre/millimetres/centimetre/centimetres/metre/metres/meter/meters/kilometre/kilometres/kilometer/kilometers/mile/miles
inch/inches/foot/feet/yard/yards
mg/g/kg/gram/grams/kilogram/kilograms/kilo/kilos/tonne/tonnes/ton/tons/ounce/ounces
dollar/dollars/euro/euros/pound/pounds/yen/yuan/franc/francs
percent/hundred/thousand/million/billion/trillion"""
"""Words of which one must not take the place of another."""
_FAMILIES_CJK = "秒/分钟/小时/天/周/星期/个月/年 周一/周二/周三/周四/周五/周六/周日 元/美元/欧元/英镑 克/公斤/吨 米/公里/厘米"
NEAREST, NEAR = 2, 5
"""So many of the nearest sentences may turn what a claim says, and hold its numbers and names."""
MAX_CLAIM, MAX_SENTENCE = 1_000, 2_000
"""Characters of a claim, which is one sentence, and of a sentence of its sources, as far as it is compared."""
OF_A_CLAUSE = 0.6
"""A clause of a source with this part of the words of one of the claim is what that one says."""
OTHERS_ALIKE = 0.8
"""A claim that has this part of its words, the first one aside, from one sentence has changed that sentence's subject."""
ACROSS = ("number", "address")
_WORD = re.compile(r"[a-z]+")
_ANY_WORD = re.compile(r"[^\W\d_]+(?:['’][a-z]+)?")
_NAME = re.compile(r"(?<!^)(?<![.!?:•] )\b[A-Z][\w’'-]*[a-z][\w’'-]*|\b[A-Z]{2,}\b")
"""A word with a capital that does not begin the sentence."""
_DOMAIN = re.compile(r"\b[\w-]{2,}\.[a-z]{2,}\b", re.IGNORECASE)
_SYMBOLS = {"€": " euros ", "$": " dollars ", "£": " pounds ", "%": " percent "}
_ONE = re.compile(r"\bone (\w+)|一(天|周|年|个月|小时|分钟)", re.IGNORECASE)
_MUST = re.compile(r"\b(?:must|ha(?:s|ve) to|mandatory|compulsory|obligatory|required?)\b|必须|务必", re.IGNORECASE)
_OBLIGES = re.compile(
    r"\b(?:must|ha(?:s|ve) to|needs?|needed|should|shall|only|mandatory|compulsory|obligatory|require[sd]?|please|is to|are to)\b"
    r"|[须需应要得]",
    re.IGNORECASE,
)
_BOUNDS = {
    word: group
    for group in (
        frozenset({"only", "solely", "exclusively", "merely"}),
        frozenset({"all", "every", "each", "always", "entirely", "any"}),
        frozenset({"never", "none"}),
    )
    for word in group
}
_BOUNDS_CJK = re.compile("只|仅|全部|所有|总是|从不|绝不")
"""Words that bound or widen what is said: a claim brings none along."""
_CLAUSE = re.compile(r"[,;:，；：—–()]|\b(?:and|but|while|although|though|because|since|when|if|which|who|that)\b", re.IGNORECASE)


def _by_word(groups: str) -> dict[str, frozenset[str]]:
    found = dict[str, frozenset[str]]()
    for group in groups.split():
        words = group.split("/")
        for word in words:
            found[word] = found.get(word, frozenset()) | (frozenset(words) - {word})
    return found


_TURNED, _TURNED_CJK = _by_word(_OPPOSITES), _by_word(_OPPOSITES_CJK)
_KIN, _KIN_CJK = _by_word(_FAMILIES), _by_word(_FAMILIES_CJK)


def vetoes(claim: str, near: Sequence[str], whole: str, *, across: bool = False) -> list[str]:
    """What speaks against a claim: the kinds of rules that it breaks; nothing where none does.

    `near` are the sentences of its sources, the nearest first; `whole` is all that it may stand on, its first line titles and
    headings. `across`: they are in another language, so that only numbers and addresses can be compared.
    """
    if len(claim) > MAX_CLAIM:
        return ["length"]
    claim, near = _spelled(claim), [_spelled(one[:MAX_SENTENCE]) for one in near[:NEAR]]
    nearest, titles = near[:NEAREST], whole.partition("\n")[0]
    around = " ".join((*near, titles))
    rules: dict[str, Callable[[], bool]] = {
        "number": lambda: _new_numbers(claim, around) or (not across and _numbers_elsewhere(claim, near)),
        "unit": lambda: not _units_of(claim, around) or _exchanged(claim, near, _KIN, _KIN_CJK),
        "name": lambda: not _names(claim) <= _names_of(around) or _names_turned(claim, near[0]) or _other_first(claim, near[0]),
        "address": lambda: not _addresses(claim) <= _addresses(whole),
        "opposite": lambda: _exchanged(claim, nearest, _TURNED, _TURNED_CJK),
        "bound": lambda: _new_bounds(claim, " ".join(nearest)),
        "negation": lambda: _negation_turned(claim, near),
    }
    return [kind for kind, breaks in rules.items() if (not across or kind in ACROSS) and breaks()]


ACROSS = ("number", "address")
"""The rules that can be kept where a claim and its sources are in two languages."""


def _spelled(text: str) -> str:
    """A text with its signs of money and percent as words, weekdays in one writing, and "one day" as a number."""
    for sign, word in _SYMBOLS.items():
        text = text.replace(sign, word)
    text = re.sub("(?:星期|礼拜)(?=[一二三四五六日天])", "周", simplified(text)).replace("周天", "周日")
    return _ONE.sub(lambda found: f"1 {found[1]}" if (found[1] or "").lower() in _KIN else found[0].replace("一", "1"), text)


def _new_numbers(claim: str, around: str) -> bool:
    there = list(numbers(around))
    return not all(any(one & other for other in there) for one in numbers(claim))


def _numbers_elsewhere(claim: str, near: Sequence[str]) -> bool:
    """Whether the numbers of a clause stand only where most of its other words do not, and those words stand elsewhere."""
    there = [(_plain_words(clause), list(numbers(clause))) for one in near for clause in (one, *_CLAUSE.split(one))]
    for clause in _CLAUSE.split(claim):
        own, words = list(numbers(clause)), _plain_words(clause)
        holding = [len(words & other) for other, counts in there if all(any(a & b for b in counts) for a in own)]
        best = max((len(words & other) for other, _ in there), default=0)
        if own and words and holding and max(holding) < OF_A_CLAUSE * best:
            return True
    return False


def _plain_words(text: str) -> set[str]:
    return {word for word in content(text) if not any(character.isdigit() for character in word)}


def _units_of(claim: str, around: str) -> bool:
    """Whether what the numbers of a claim count is what they count there, if they count anything there."""
    if has_cjk(claim):
        return True
    own, there = counted(claim), counted(around)
    counting = {number for number, _ in there}
    return all((number, unit) in there or number not in counting for number, unit in own)


def _addresses(text: str) -> set[str]:
    mixed = {"".join(code.parts) for line in text.splitlines() for code in codes_in(line) if code.mixed}
    return addresses(text) | {one.lower() for one in _DOMAIN.findall(text)} | mixed


def _exchanged(claim: str, near: Sequence[str], kin: dict[str, frozenset[str]], kin_cjk: dict[str, frozenset[str]]) -> bool:
    """Whether a claim has a word of a group where its sources have another one of it."""
    text = " ".join(near)
    if has_cjk(claim):
        return any(
            word in claim and word not in text and any(other in text for other in others) for word, others in kin_cjk.items()
        )
    there, stems = set(_WORD.findall(text.lower())), set(content(text))
    own = (word for word in _WORD.findall(claim.lower()) if word in kin and word not in there)
    return any(kin[word] & there and not set(content(word)) & stems for word in own)


def _names(text: str) -> set[str]:
    return {word for name in _NAME.findall(text) for word in content(name)} | set(CASED.findall(text))


def _names_of(around: str) -> set[str]:
    return set(content(around)) | set(CASED.findall(around))


def _other_first(claim: str, nearest: str) -> bool:
    """Whether a claim begins with a word that its source has not, where that has a name that the claim lacks; alike else."""
    first = next(iter(_ANY_WORD.findall(claim)), "")
    own, there = set(content(claim)), set(content(nearest))
    new = set(content(first)) - there
    named = {word for word in _leading(nearest) if word in there} - own
    others = own - new
    return bool(new and named and others) and first[:1].isupper() and len(others & there) >= OTHERS_ALIKE * len(others)


def _names_turned(claim: str, nearest: str) -> bool:
    """Whether two names have changed places, or one stands twice in the claim where the source has it once."""
    own, there, words, said = _leading(claim), _leading(nearest), content(nearest), content(claim)
    if any(said.count(name) > max(1, words.count(name)) for name in own):
        return True
    moved = [name for name in own if name in there and own[name] != there[name]]
    return any(own[one] == there[other] and own[other] == there[one] for one, other in combinations(moved, 2))


def _leading(text: str) -> dict[str, str]:
    """Of each name of a text the word before it, or before the name that it is a part of; "" at the beginning."""
    found, before = dict[str, str](), ""
    for word in _ANY_WORD.findall(text):
        if word[0].isupper():
            for name in content(word):
                found.setdefault(name, before)
        else:
            before = word
    return found


def _new_bounds(claim: str, near: str) -> bool:
    if _MUST.search(claim) and not _OBLIGES.search(near):
        return True
    if has_cjk(claim):
        return not set(_BOUNDS_CJK.findall(claim)) <= set(_BOUNDS_CJK.findall(near))
    there = set(_WORD.findall(near.lower()))
    return any(not _BOUNDS[word] & there for word in _WORD.findall(claim.lower()) if word in _BOUNDS)


def _negation_turned(claim: str, near: Sequence[str]) -> bool:
    """Whether a clause of a claim negates where the clause of its sources with most of its words does not, or the other way."""
    there = [(set(content(clause)), _negates(clause)) for sentence in near for clause in _CLAUSE.split(sentence)]
    for clause in _CLAUSE.split(claim):
        words = set(content(clause))
        if len(words) < 2:
            continue
        held = max((len(words & other) for other, _ in there), default=0)
        signs = {negates for other, negates in there if len(words & other) == held}
        if held >= OF_A_CLAUSE * len(words) and _negates(clause) not in signs:
            return True
    return False


def _negates(text: str) -> bool:
    return len(NEGATION.findall(text)) % 2 == 1
