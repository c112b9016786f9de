"""What a person's message is: a question, something told, or a greeting. Rules, no model.

The rules know simplified Chinese; what is written in traditional characters is read as that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ragbot.text.codes import codes_in
from ragbot.text.sentences import sentences
from ragbot.text.tokens import content, has_cjk, simplified, tokens

_ASKS = re.compile(
    r"""^(?:(?:so|and|but|ok|okay|then|now|well|please|hi|hello|hey)[\s,]+)*
    (?!(?:could|might|must|would|may|will)\ be\b|(?:will|may)\ is\b|may\W*$|about\ me\b|(?:about|and|or)\ (?:\d|my\b|our\b)
    |(?:name|list|help|show|any|about)\s*:
    |what\ (?:i|we)\ \w+\ (?:is|are)\b|when\ (?:i|we)\ (?:was|were)\b)
    (?:who|whom|whose|what|when|where|which|why|how|is|are|am|was|were|do|does|did|can|could|will|would|shall|should
    |may|might|must|has|have|had|isn't|aren't|don't|doesn't|didn't|can't|couldn't|won't|wouldn't|shouldn't
    |tell\ (?:me|us)|(?:talk|walk|take)\ (?:me|us)\ through
    |explain|describe|list|show|give\ (?:me|us)|find|name|summari[sz]e|compare|define|help|remind\ me
    |i\ (?:want|need|wish|would\ like|'d\ like)\ to\ (?:know|ask|find)|i'd\ like\ to\ (?:know|ask|find)|i\ wonder|i'm\ wondering
    |(?:what|who|where|when|how)['’]?s|wich|wat|wen|wher|hwo|quiz\ (?:me|us)
    |any|and|or|about|in\ (?:what|which)|at\ (?:what|which)
    |(?:for|to|from|by|with)\ (?:what|whom|which|how))\b""",
    re.IGNORECASE | re.VERBOSE,
)
_LABEL = re.compile(r"[\w'’ -]{2,40}:\s+\S")
"""A terse fact: "Anna's birthday: 4 May"."""
_ASKS_LATER = re.compile(
    r""",\s*(?:and\ |so\ |but\ )?(?:what|why|how
    |(?:(?:who|when|where|which)\ )?(?:can|could|do|does|did|is|are|was|were|should|will|would|may)
    \ (?:i|we|you|it|he|she|they|there|the|this|that|these|those|an?|my|our|your|any))\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""A verb before its subject: not the clause of "My brother, who is coming on Friday, …"."""
_ASKS_INSIDE = re.compile(
    r"^(?!.*\b(?:i|i'm|i've|my|me|we|our|us|know|knows|remember|note|see|decides?|depends)\b)"
    r".*\b(?:who|what|which|how many|how much) (?:is|are|was|were|do|does|did)\b",
    re.IGNORECASE,
)
"""A question that begins with something else: "in the comics who does he marry"."""
_UNFINISHED = re.compile(r"\b(?:is|are|was|were|called|named|because|by the|of the)\s*$", re.IGNORECASE)
"""What is typed into a search box for the rest to be found: "the function of the valve is"."""
_ASKS_CJK = re.compile(
    r"[吗嘛呢么]|什么|怎|如何|为何|哪|谁|几[点个时号天岁楼层月年次]|(?:周|星期)几|几[。！!]?$|多少|多久|多大|是否|能否|可否|请问|告诉我|^那"
    r"|([\u4e00-\u9fff])不\1|有没有|了没有?[。！!]?$|想(?:知道|问|了解)|帮我(?:查|看|找)"
)
_TELLS = re.compile(
    r"\b(?:i|i'm|i've|i'll|i'd|my|me|mine|we|we're|we've|our|us|is|are|was|were|be|been|has|have|had|will|won't|isn't"
    r"|aren't|it's|that's|there's|he's|she's|they're|can|cannot|can't|must|should|does|did|costs?|opens?|closes?|lives?"
    r"|works?|needs?|likes?|prefers?|wants?|moved|remember|note)\b",
    re.IGNORECASE,
)
_TELLS_CJK = re.compile(r"我|是|叫|在|了|有|住|喜欢|记住|请记")
_HELLO = (
    r"hi|hello|hey|good (?:morning|afternoon|evening|day)|how are you(?: today| doing)?"
    r"|nice to meet you|你好吗?|您好|嗨|早安|早上好|下午好|晚上好"
)
_THANKS = (
    r"(?:(?:no|perfect),? )?thanks?(?: you)?(?: (?:very|so) much| a lot)?(?: for (?:your|the|all your) (?:help|time|answers?))?"
    r"|(?:that|this) (?:helps?|helped)(?: a lot| me)?|got it"
    r"|cheers|(?:good)?bye|good night|see you|okay|ok|great|perfect|(?:谢谢|多谢)(?:你|您|啦|了)?|再见|拜拜|好的|晚安"
)
_AFTER = r"(?:[\s,]+(?:there|all|everyone|bot|ragbot|again|then|later))?[\s!.,?。，！？～~]*"
_GREETING = re.compile(rf"^(?:(?:{_HELLO}|{_THANKS})(?![A-Za-z]){_AFTER})+$", re.IGNORECASE)
_PARTING = re.compile(rf"^(?:(?:{_THANKS})(?![A-Za-z]){_AFTER})+$", re.IGNORECASE)
_SOMEONE = (
    r"(?:\ (?:an?|the|your|one|of|real|live|actual|human|customer|service|support)){0,4}"
    r"\ (?:humans?|persons?|people|agents?|someone|somebody|representatives?|operators?|colleagues?|staff"
    r"|manager|employees?|advisors?|support|service)\b"
)
_PERSON = re.compile(
    rf"""^(?!.*\b(?:not|never)\b|.*n['’]t\ (?:want|need|like))
    (?:.*\b(?:speak|talk|chat|connect\ me|transfer\ me)\ (?:to|with){_SOMEONE}
    |.*\b(?:put\ me\ through|hand\ me\ over)\ to{_SOMEONE}
    |(?:\W*(?:please|i|we)\b)*\ ?\b(?:want|need|give\ me|get\ me){_SOMEONE}(?:,?\ (?:please|now|here|instead))*\W*$
    |.*\b(?:someone|somebody|a\ person|a\ human)\ (?:that\ )?(?:i|we)\ (?:can|could)\ (?:speak|talk)\b
    |.*\bcan\ (?:a|some)\ ?(?:human|person|one|body)\ help\ me\b
    |\W*(?:an?\ )?(?:human|agent|operator|representative|real\ person)(?:,?\ please)?\W*$)
    |^(?!.*不[要想]).*(?:[转接找]人工|(?:[找和跟要]真人))|^\W*(?:[转接找]?(?:人工|客服)|人工客服)\W*$""",
    re.IGNORECASE | re.VERBOSE,
)
_GOES_ON = re.compile(
    r"^\W*(?:no,? thank|stop|let'?s|let us|skip|next|go on|continue|more about|enough)\b|讲讲|说说|解释|介绍|继续|跳过|下一|别问",
    re.IGNORECASE,
)
_OF_ONESELF = re.compile(
    r"^(?!.*\b(?:idea|sure|guess)\b)"
    r".*(?:\b(?:my|our|mine)\b|\b(?:i|we)(?:['’](?:m|ve|re)| (?:am|are|have|was|were|live|work|need|like))\b)"
    r"|我的|我们的|我[有是住]",
    re.IGNORECASE,
)
_CONTINUES = re.compile(r"^(?:and|or|but|so|then|what about|how about|also|even)\b", re.IGNORECASE)
_POINTS_BACK = re.compile(
    r"\b(?:it|its|that|this|those|these|they|them|their|there|he|him|his|she|her|one|ones|same|else|instead)\b", re.IGNORECASE
)
ENOUGH_WORDS = 3
"""A question with so many words of its own says what it is about, whatever its pronouns point to."""
_LEANS_CJK = re.compile(r"^(?:那|还有|然后)|(?<![其吉])[它他她]|这个|那个|这些|那些|呢[？?]?$")


_CORRECTS = re.compile(
    r"^\W*(?:no|nope|nah|wrong|not (?:quite|true|right)|that'?s (?:not|wrong)|actually"
    r"|sorry,? (?:i meant|no|wrong|it)|oops|correction)\b"
    r"|^(?:不对|不是的?[,，]|错了|说错了|打错了|记错了|搞错了|更正|其实)",
    re.IGNORECASE,
)
_EVERYTHING = re.compile(
    r"\b(?:everything|all (?:that |the things )?(?=(?:i|you|we)\b)|whole lot)\b"
    r"|全部|所有|一切|统统|都忘|都删|都清|全忘|全删",
    re.IGNORECASE,
)
_ORDER = re.compile(
    r"\b(?:please|pls|can|could|you|just|now|ok|okay|hey|hm+|oh|no|wait|actually|sorry|better|forget|delete|remove|erase|scrap"
    r"|strike|ignore|disregard|drop|unsay|about|that|this|it|the|last|bit|part|thing|one|message|sentence|line|what|i|said|told|wrote|from|your"
    r"|memory|again|then|too|quickly|right|away|got|wrong|mind|never|me|just now|a|second|minute|moment|ago|note|out|take|back"
    r"|know|ever|so|far)\b"
    r"|请|麻烦|你|就|把|给|我|帮|那个?|这个?|刚刚?才?|刚才"
    r"|上一?[条句个]|最后|一?[条句个点段]|话|消息|内容|说|讲|的|忘了?|忘掉|忘记|删了?|删掉|删除|清掉|去掉"
    r"|撤回|作废|当我没说过?|算了|不用|别|记了?|吧|呗|哈|啊|掉|了|先|还是",
)
"""What an order to forget consists of that does not say what."""
_RECALLS = frozenset(
    content(
        "list lists listed i've"
        " know knows knew known tell told telling remember remembered remembers say said says note noted notes hold holds keep"
        " kept store stored save saved have list show give anything everything something things thing stuff all far so yet ever"
        " about me myself mine facts fact information info memory mention mentioned share shared learn learnt learned"
        " past conversations"
    )
)
_RECALLS_ZH = re.compile(
    r"你|您|我|还|都|知道|记得|记住|记了?|了解|告诉|说|讲|提|跟|给|过|关于|有关|哪些|什么|事情?|所有|全部|多少|内容|东西|信息|一下"
    r"|列出来?|吗|呢|的|了|吧|些|目前|现在|到目前为止|之前|以前|曾经|都有"
)
"""What a question for what was told consists of that does not say of whom or what."""
_PIECE = re.compile(r"(?<=[,;，；])\s*|(?<=\w)\s+(?=(?:and|also|plus)\b)|(?<=\S)\s[-–+&]\s", re.IGNORECASE)
"""Between the clauses of a sentence."""
MAX_QUESTIONS = 4
"""The most questions of one message that are searched for by themselves."""
_JOINS = re.compile(r"^(?:(?:and|also|but|plus|then)\b[\s,]*)+|^(?:另外|还有|以及|同时|顺便)[，,]?", re.IGNORECASE)


def is_greeting(text: str) -> bool:
    """Whether the message says hello, thanks or goodbye and nothing else."""
    return _GREETING.match(simplified(text.strip())) is not None


def is_parting(text: str) -> bool:
    """Whether it says thanks or goodbye, or agrees, and does not say hello."""
    return _PARTING.match(simplified(text.strip())) is not None


def wants_person(text: str) -> bool:
    """Whether the message asks to speak to a person, and not to the bot."""
    return _PERSON.search(simplified(text)) is not None


def may_reply(text: str) -> bool:
    """Whether it may be a reply to what was asked before: it asks nothing, greets nobody, and is not about who says it."""
    text = simplified(text)
    parts = [text[span.start : span.end] for span in sentences(text)]
    if is_greeting(text) or _GOES_ON.search(text) or _OF_ONESELF.search(text) or not tokens(text):
        return False
    return not any(ends_asking(part) or (_ASKS_CJK if has_cjk(part) else _ASKS).search(part) for part in parts)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A message cut into what it tells and what it asks."""

    told: tuple[str, ...]
    """Its sentences that ask nothing."""
    question: str
    """The others that hold words; "" if there are none."""
    is_greeting: bool
    is_parting: bool

    @property
    def statements(self) -> str:
        """What it tells, in one; "" for nothing."""
        return " ".join(self.told)


def corrects(text: str) -> bool:
    """Whether a message begins as one that says that something was wrong."""
    return _CORRECTS.search(simplified(text)) is not None


def orders_to_forget(text: str) -> bool:
    """Whether a message begins as an order to forget something. What follows "that" reads like something told."""
    return _FORGET.match(text) is not None


def forgets_all(text: str) -> bool:
    """Whether an order to forget means everything."""
    text = simplified(text.lower())
    return _EVERYTHING.search(text) is not None and forgets_last(_EVERYTHING.sub("", text))


def forgets_last(text: str) -> bool:
    """Whether an order to forget means what was said just before, and names nothing else."""
    return not _ORDER.sub("", simplified(text.lower())).strip(" \t\n.,;:!?'’\"。，；：！？~～…-–")


def recall_subject(question: str) -> set[str]:
    """The words of a question for what was told that say of whom or what; none where it asks for all of it."""
    text = simplified(question)
    return set(content(_RECALLS_ZH.sub(" ", text) if has_cjk(text) else text)) - _RECALLS


def ends_asking(text: str) -> bool:
    """Whether it ends with a question mark, quotation marks aside."""
    return text.rstrip("\"'”’」 ").endswith(("?", "？"))


def asks(text: str) -> bool:
    """Whether a sentence of it has the form of a question, with or without a question mark."""
    parts = [simplified(text[span.start : span.end]) for span in sentences(text)]
    return any(
        any(form.search(part) for form in ((_ASKS_CJK,) if has_cjk(part) else (_ASKS, _ASKS_LATER, _ASKS_INSIDE)))
        for part in parts
    )


_FORGET = re.compile(
    r"\W*(?:(?:please|pls|now|ok|okay|(?:can|could|would) you(?: please)?)[\s,]+)*forget (?!it\b|about it\b)\w"
    r"|\W*请?你?(?:忘记|忘掉|忘了)(?!了|吗)",
    re.IGNORECASE,
)


def questions(text: str) -> list[str]:
    """The questions of a text, one after the other: its sentences, and clauses that ask something after one that does."""
    found, asked = [""], False
    for span in sentences(text):
        for piece in filter(str.strip, _PIECE.split(text[span.start : span.end])):
            bare = _JOINS.sub("", piece.strip())
            asks_too = ends_asking(bare) or asks(bare)
            if asked and asks_too:
                found.append("")
                asked = False
            asked |= asks_too
            found[-1] = f"{found[-1]} {piece.strip() if found[-1] else bare}".strip()
    return [one.rstrip(",;，； ") for one in found[:MAX_QUESTIONS]]


def parse(text: str) -> Parsed:
    """Sort the sentences of a message."""
    told, asked = [], []
    for span in sentences(text):
        sentence = text[span.start : span.end]
        if _tells(sentence):
            told.append(sentence)
        elif tokens(sentence):
            asked.append(sentence)
    return Parsed(tuple(told), " ".join(asked), is_greeting(text), is_parting(text))


def _tells(sentence: str) -> bool:
    sentence = simplified(sentence)
    if is_greeting(sentence) or not tokens(sentence) or ends_asking(sentence):
        return False
    if has_cjk(sentence):
        return not _ASKS_CJK.search(sentence) and bool(_TELLS_CJK.search(sentence))
    if any(asks.search(sentence) for asks in (_ASKS, _ASKS_LATER, _ASKS_INSIDE, _UNFINISHED)):
        return False
    return bool(_LABEL.match(sentence)) or bool(_TELLS.search(sentence)) and bool(content(sentence))


def contextualize(question: str, history: Sequence[tuple[str, str]]) -> str:
    """The question with what it leans on: an earlier question, where it cannot stand alone.

    `history` is (role, text), oldest first. "And on Sunday?" after "When does the lab open?"
    becomes "When does the lab open? And on Sunday?".
    """
    if not is_context_dependent(question):
        return question
    for role, text in reversed(history):
        if role == "user" and (earlier := parse(text).question) and not is_greeting(text) and not is_context_dependent(earlier):
            return f"{earlier.strip()} {question.strip()}"
    return question


def is_context_dependent(question: str) -> bool:
    """Whether it does not say what it is about, and so is about what was said before."""
    if has_cjk(question):
        return bool(_LEANS_CJK.search(simplified(question.strip()))) or len(content(question)) < 2 and not codes_in(question)
    words = len(content(question)) + sum(code.mixed for code in codes_in(question))  # a code says what it is about
    continues = _CONTINUES.search(question.strip()) is not None
    return continues or words < 2 or (words < ENOUGH_WORDS and _POINTS_BACK.search(question) is not None)
