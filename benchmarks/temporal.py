"""Whether the newest knowledge comes first, what was so before is still found, and nothing that stands is set aside.

    python -m benchmarks.temporal DATA [--sets beam pat timeqa fastapi standing] [--limit N] [--json]

DATA is a folder with the sets beam, pat_questions, timeqa_human and fastapi_versions. `standing` needs none: 1,000 facts about
forty people are told one after the other, each a neighbour of others (the same person, another attribute; the same attribute,
another person), and it is counted how many of them the later ones set aside.
"""

import argparse
import gzip
import json
import sys
import tempfile
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.conversations import Silent, held
from ragbot import Chat, Document, Memory

SETS = ("beam", "pat", "timeqa", "fastapi", "standing")


def lines(file):
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def share(right, of):
    return {"of": of, "right": round(right / of, 3) if of else None}


def rank(uris, wanted):
    return min((uris.index(uri) for uri in wanted if uri in uris), default=len(uris))


def beam(folder, limit, memory):
    """Turns of twenty long chats; what is asked about needs the fresh turn, both sides, or the turn with the evidence."""
    since, done = datetime(2024, 1, 1, tzinfo=UTC), 0
    turns = lines(folder / "beam" / "turns_100k.jsonl.gz")
    wanted = sorted({turn["conv"] for turn in turns})[: limit or None]
    documents = [
        Document(turn["id"], turn["text"], turn["speaker"], "turn", turn["conv"], since + timedelta(minutes=at), lines=False)
        for at, turn in enumerate(turns)
        if turn["conv"] in wanted
    ]
    for _ in memory.remember_each(documents):
        done += 1
        if done % 500 == 0:
            print(f"beam: {done} of {len(documents)} turns", file=sys.stderr, flush=True)
    fresh, before, both, five = [], [], [], defaultdict(list)
    for question in lines(folder / "beam" / "qa_100k.jsonl"):
        if question["conv"] not in wanted or not question.get("evidence"):
            continue
        hits = memory.recall(question["question"], 10, scopes=(question["conv"],))
        uris = list(dict.fromkeys(hit.chunk.uri for hit in hits))
        if question["category"] == "knowledge_update":
            new, old = rank(uris, question["fresh_evidence"]), rank(uris, question["stale_evidence"])
            fresh.append(new < 5)
            before.append(new < old)
        if question["category"] == "contradiction_resolution":
            both.append(set(question["evidence"]) <= set(uris))
        five[question["category"]].append(rank(uris, question["evidence"]) < 5)
    return {
        "fresh turn in the first 5": share(sum(fresh), len(fresh)),
        "fresh turn before every stale one": share(sum(before), len(before)),
        "both sides in the first 10": share(sum(both), len(both)),
        **{f"evidence in the first 5, {name}": share(sum(some), len(some)) for name, some in sorted(five.items())},
    }


def pat(folder, limit, memory):
    """Notes of 2021, then those of 2023: which one is first, now and as of 2022."""
    notes, questions = (lines(folder / "pat_questions" / name) for name in ("corpus_templated.jsonl.gz", "qa.jsonl.gz"))
    for year in ("2021-12-30", "2023-12-30"):
        at = datetime.fromisoformat(year).replace(tzinfo=UTC)
        memory.remember(Document(one["id"], one["text"], one["title"], valid_from=at) for one in notes if one["date"] == year)
    there, found = {one["id"] for one in notes}, defaultdict(list)
    for question in questions[:: max(1, len(questions) // limit) if limit else 1]:
        old, new = (f"{question['id']}@{year}" for year in ("2021-12-30", "2023-12-30"))
        if old not in there or new not in there:
            continue
        answers = question["answers_by_date"]
        changed = set(answers["2021-12-30"]) != set(answers["2023-12-30"])
        first = memory.recall(question["question"], 5)[0].chunk.uri
        then = memory.recall(question["question"], 5, as_of=datetime(2022, 6, 1, tzinfo=UTC))[0].chunk.uri
        found["changed: 2023's note first" if changed else "unchanged: either note first"].append(
            first == new or (not changed and first == old)
        )
        found["as of 2022: 2021's note first"].append(then == old)
    return {name: share(sum(some), len(some)) for name, some in sorted(found.items())}


def timeqa(folder, limit, memory):
    """Questions tied to a span of time over paragraphs of Wikipedia: the paragraph of that time in the first five."""
    corpus, questions = (lines(folder / "timeqa_human" / name) for name in ("corpus_test.jsonl.gz", "qa_test.jsonl"))
    chosen = [one for one in questions if one["answerable"] and one["evidence"]][: limit or None]
    wanted = {one["doc"] for one in chosen}
    memory.remember(Document(one["id"], one["text"], one["title"]) for one in corpus if one["id"].rpartition("#")[0] in wanted)
    five, first = [], []
    for question in chosen:
        uris = [hit.chunk.uri for hit in memory.recall(question["question"], 5)]
        five.append(bool(set(uris) & set(question["evidence"])))
        first.append(uris[0] in question["evidence"])
    return {"in the first 5": share(sum(five), len(five)), "first": share(sum(first), len(first))}


def fastapi(folder, limit, memory):
    """Pages of documentation before and after changes: answers that quote a paragraph which was removed."""
    pages = {(one["page"], one["date"]): one for one in lines(folder / "fastapi_versions" / "versions.jsonl.gz")}
    pairs = [one for one in lines(folder / "fastapi_versions" / "pairs.jsonl.gz") if one["removed"]][: limit or None]
    asked, stale = 0, 0
    for number, pair in enumerate(pairs):
        for date in (pair["from"], pair["to"]):
            page = pages[pair["page"], date]
            memory.remember(Document(pair["page"], page["text"], page["title"], scope=f"pair{number}"))
        chat = Chat(memory, "s", f"pair{number}", Silent())
        for paragraph in [one for one in pair["removed"] if len(one) > 60][:3]:
            turn = chat.ask(f"What do you know about this: {' '.join(paragraph.split())[:150]}?")
            asked += 1
            text = pages[pair["page"], pair["to"]]["text"]
            stale += any(one.kind == "file" and one.quote not in text for one in turn.citations)
    return {"answers": asked, "that quote what was removed": stale}


PEOPLE = (
    "Ana Ben Carla David Elif Farid Greta Hugo Ines Jonas Kaya Lars Mira Nils Olga Pavel Quinn Rosa Samir Tara Ugo Vera Wanda "
    "Xenia Yusuf Zoe Amir Britta Cem Dora Emil Fatima Gustav Hanna Igor Julia Karim Lena Marco Nadia"
).split()
ATTRIBUTES = [
    ("{}'s favourite colour is {}.", "green red blue white black grey"),
    ("{} lives in {}.", "Graz Linz Bern Porto Lyon Cork"),
    ("{} works as a {}.", "nurse teacher baker driver cook gardener"),
    ("{}'s phone number ends in {}.", "17 23 41 58 66 79"),
    ("{} is allergic to {}.", "nuts milk pollen eggs dust wheat"),
    ("{}'s birthday is in {}.", "January March May July September November"),
    ("{} drives a {}.", "Skoda Fiat Volvo Toyota Renault Ford"),
    ("{}'s desk is in room {}.", "12 14 21 25 33 37"),
    ("{} has a {}.", "cat dog parrot rabbit horse tortoise"),
    ("{} plays the {}.", "violin piano drums flute cello harp"),
    ("{} speaks {}.", "Polish Turkish Greek Hindi Arabic Dutch"),
    ("{}'s shoe size is {}.", "38 39 40 41 42 43"),
    ("{} drinks {}.", "coffee tea water juice milk cocoa"),
    ("{}'s locker is number {}.", "101 115 127 133 149 152"),
    ("{} is married to {}.", "Alex Robin Kim Sascha Toni Luca"),
    ("{} supports {}.", "Arsenal Ajax Porto Lazio Celtic Basel"),
    ("{} comes to work by {}.", "bus train bike car tram boat"),
    ("{}'s favourite dish is {}.", "soup pasta curry pizza stew salad"),
    ("{} was born in {}.", "1961 1967 1974 1982 1990 1998"),
    ("{}'s boss is {}.", "Mr Hale Ms Ito Dr Roth Mrs Gray Mr Bose Ms Lund"),
    ("{} reads {}.", "novels comics poems crime history travel"),
    ("{}'s badge number is {}.", "4411 4523 4637 4749 4851 4963"),
    ("{} goes to the gym on {}.", "Monday Tuesday Wednesday Thursday Friday Sunday"),
    ("{}'s sister is called {}.", "Ada Bea Cleo Dina Edda Flora"),
    ("{} collects {}.", "stamps coins shells maps watches records"),
]
"""A fact a person: each with its value from the list; none of them is told twice."""


def standing(folder, limit, memory):
    """Facts that stay true, after so many updates about their neighbours."""
    chat, told = Chat(memory, "s", "standing", Silent()), 0
    for number, (form, values) in enumerate(ATTRIBUTES):
        for at, person in enumerate(PEOPLE):
            if limit and told >= limit:
                break
            chat.ask(form.format(person, values.split()[(at + number) % 6]))
            told += 1
            if told % 100 == 0:
                print(f"standing: {told} told, {len(held(memory, 'standing'))} held", file=sys.stderr, flush=True)
    kept = len(memory.told(10_000, scope="standing"))
    standing_now = sum(not hit.is_set_aside for hit in memory.told(10_000, scope="standing"))
    return {"told": told, "remembered": kept, "set aside though they stand": round((kept - standing_now) / max(1, kept), 4)}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--limit", type=int, help="chats, questions, pairs or facts, at most")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(argv)
    result = {}
    for name in given.sets:
        with tempfile.TemporaryDirectory() as home, Memory.open(home) as memory:
            result[name] = globals()[name](given.data, given.limit, memory)
        if not given.json:
            print(name, *(f"\n    {what:42} {value}" for what, value in result[name].items()), flush=True)
    if given.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
