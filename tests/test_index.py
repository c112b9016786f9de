"""The index: segments, merges, filters, damage, spaces, backups. Real FAISS, real SQLite, fake embedder."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragbot import Document, Memory
from ragbot.errors import HomeError, ModelError
from ragbot.index import bm25, columns, compaction, files, hnsw, postings, segment_files
from ragbot.index import manifest as manifests
from ragbot.index import segment as segments
from ragbot.index.columns import Filter
from ragbot.index.merge_plan import merge_policy
from ragbot.index.segment import Segment
from ragbot.index.turn_neighbours import TurnNeighbours
from ragbot.text.chunks import tokens_of
from ragbot.text.tokens import content, query_tokens, simplified

ROOT = Path(__file__).parent.parent
EVERYONE = Filter(frozenset(["everyone"]))
FILES = Filter(frozenset(["everyone"]), kinds=frozenset(["file"]))
TURNS = Filter(frozenset(["everyone"]), kinds=frozenset(["turn"]))


def room(n):
    return Document(f"{n}.md", f"Room {n} is for team {n % 7} and opens at {n % 12}.", scope=("everyone", "ana", "ben")[n % 3])


def found(memory, query="room team opens", k=1000, **only):
    return sorted(hit.chunk.uri for hit in memory.recall(query, k, **only))


def texts(memory, query, **only):
    return [hit.chunk.text for hit in memory.recall(query, **only)]


# Graphs


def clustered(n, dim=32, seed=0):
    centers = np.random.default_rng(99).standard_normal((20, dim))
    rng = np.random.default_rng(seed)
    made = centers[rng.integers(0, 20, n)] + 0.5 * rng.standard_normal((n, dim))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def segment_of(vectors, built=None, kind=None, words=None):
    """A segment of everyone's, of files, but for what `kind` says is a turn (1)."""
    n = len(vectors)
    kind = np.zeros(n, np.int32) if kind is None else kind
    ids, zeros = np.arange(1, n + 1), np.zeros(n, np.int64)
    forever = np.full(n, columns.FOREVER)
    rows = columns.Columns(ids, ids, np.zeros(n, np.int32), kind, zeros, forever, ("everyone",), ("file", "turn"))
    return Segment(rows, postings.build(words or [["word"]] * n), vectors, built, txn=1)


def test_a_graph_finds_what_exact_search_finds(tmp_path):
    vectors = clustered(6000)
    built = hnsw.build(vectors, lambda: False)
    built.write(tmp_path / "graph")
    mapped = hnsw.read(tmp_path / "graph", built.ef, built.orphans)
    kind = (np.random.default_rng(1).random(6000) < 0.5).astype(np.int32)
    exact, near = segment_of(vectors, kind=kind), segment_of(vectors, mapped, kind)
    for wanted in (EVERYONE, TURNS):
        right = 0
        for query in clustered(50, seed=2):
            ids, scores = near.nearest(query, 10, wanted)
            best = dict(zip(*exact.nearest(query, 10, wanted), strict=True))
            right += len(best.keys() & set(ids))
            assert all(best[id] == score for id, score in zip(ids, scores, strict=True) if id in best)
        assert right >= 0.97 * 500
    assert near.graph.finds(vectors, np.arange(6000)).all()


def test_a_graph_that_does_not_pass_its_probes_is_not_used(monkeypatch, caplog):
    monkeypatch.setattr(hnsw, "EFS", (1,))
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((5000, 256)).astype(np.float32)
    assert hnsw.build(noise / np.linalg.norm(noise, axis=1, keepdims=True), lambda: False) is None
    assert "too few of its probes" in caplog.text


def test_rows_that_the_graph_does_not_find_are_searched_beside_it():
    vectors = clustered(6000)
    elsewhere = vectors.copy()
    elsewhere[7] = -vectors[7]
    built = hnsw.build(elsewhere, lambda: False)
    for orphans, there in (([], False), ([7], True)):
        segment = segment_of(vectors, hnsw.HnswIndex(built.index, built.ef, np.array(orphans, np.int64)))
        ids, scores = segment.nearest(vectors[7], 3, EVERYONE)
        assert (8 in ids) == there
        assert len(set(ids.tolist())) == len(ids)
        assert not there or scores.max() == 1
    hidden = segment_of(vectors, segment.graph, (np.arange(6000) == 7).astype(np.int32))
    assert 8 not in hidden.nearest(vectors[7], 3, FILES)[0]
    assert hidden.nearest(vectors[7], 3, TURNS)[0].tolist() == [8]


def test_a_filter_that_goes_with_the_topic_keeps_its_recall():
    vectors = clustered(6000)
    centers = np.random.default_rng(99).standard_normal((20, 32)).astype(np.float32)
    topic = np.argmax(vectors @ (centers / np.linalg.norm(centers, axis=1, keepdims=True)).T, axis=1)
    built = hnsw.build(vectors, lambda: False)
    for shown in (topic >= 5, topic >= 14):
        exact, near = (segment_of(vectors, one, shown.astype(np.int32)) for one in (None, built))
        searched = 0
        for query in vectors[~shown][:60]:
            truth = set(exact.nearest(query, 10, TURNS)[0].tolist())
            searched += len(truth & set(near.nearest(query, 10, TURNS)[0].tolist()))
        assert searched >= 0.97 * 600


def test_a_filter_gives_as_many_as_were_asked_for():
    vectors = clustered(12_000)
    built = hnsw.build(vectors, lambda: False)
    near = vectors @ vectors[0]
    shown = near < np.sort(near)[-600]
    segment = segment_of(vectors, built, shown.astype(np.int32))
    for k in (10, 100, 200):
        assert all(len(segment.nearest(query, k, TURNS)[0]) == k for query in vectors[~shown][:40])


def test_blank_rows_of_a_graph_stay_ways_through_it(tmp_path):
    vectors = clustered(6000)
    built = hnsw.build(vectors, lambda: False)
    built.write(tmp_path / "graph")
    topic = vectors @ vectors[0]
    gone = np.sort(np.argsort(-topic)[:500])
    code = (tmp_path / "graph").read_bytes()
    lost = hnsw.write_blanked(tmp_path / "graph", gone, tmp_path / "blank", vectors, built.ef)
    assert (tmp_path / "blank").read_bytes() != code
    left = np.setdiff1d(np.arange(6000), gone)
    blank = hnsw.read(tmp_path / "blank", built.ef, np.setdiff1d(np.union1d(built.orphans, lost), gone))
    assert blank.finds(vectors, left).all()
    none = np.empty(0, np.int64)
    exact, near = (segment_of(vectors, one).hiding(none, none, gone + 1) for one in (None, blank))
    right = 0
    for query in vectors[gone][:60]:
        truth = set(exact.nearest(query, 10, EVERYONE)[0].tolist())
        right += len(truth & set(near.nearest(query, 10, EVERYONE)[0].tolist()))
    assert right >= 0.95 * 600
    codes = hnsw.read(tmp_path / "blank", built.ef, lost).index
    again = np.stack([codes.reconstruct(int(row)) for row in gone])
    assert (np.einsum("nd,nd->n", again, vectors[gone]) < 0.999).all()


def test_making_a_graph_can_be_called_off():
    with pytest.raises(hnsw.Stopped):
        hnsw.build(clustered(6000), lambda: True)


# Words


def test_bm25_is_that_of_the_book():
    passages = [["gift", "card", "card"], ["gift", "shop"], ["lab"]]
    made = segment_of(clustered(3), words=passages)
    (first, score), *rest = bm25.TermQuery([made], {"card": 1, "lab": 1}, EVERYONE).best(5)
    idf = np.log(1 + (3 - 1 + 0.5) / (1 + 0.5))
    assert first == 3
    assert score == pytest.approx(idf * 2.2 * 1 / (1 + 1.2 * (0.25 + 0.75 * 1 / 2)), abs=1e-5)
    assert rest == [(1, pytest.approx(idf * 2.2 * 2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2)), abs=1e-5))]


@pytest.mark.parametrize("block", [1, 7, 1 << 22])
def test_merged_postings_are_those_of_the_merged_passages(monkeypatch, block):
    monkeypatch.setattr(postings, "BLOCK", block)
    rng = np.random.default_rng(0)
    parts = [[[f"w{w}" for w in rng.integers(0, 30, rng.integers(1, 9))] for _ in range(n)] for n in (5, 1, 9)]
    places, kept, at = [], [], 0
    for part in parts:
        keep = rng.random(len(part)) < 0.7
        places.append(np.where(keep, at + np.cumsum(keep) - 1, -1))
        kept += [passage for passage, k in zip(part, keep, strict=True) if k]
        at += int(keep.sum())
    merged = postings.in_memory([postings.build(part) for part in parts], places, at)
    truth = postings.build(kept)
    for name in ("terms", "starts", "rows", "counts", "lengths"):
        assert getattr(merged, name).tolist() == getattr(truth, name).tolist(), name


def test_looking_frequent_words_up_changes_nothing(monkeypatch):
    rng = np.random.default_rng(3)
    passages = [[f"w{rank}" for rank in np.minimum(rng.zipf(1.5, 12), 400)] for _ in range(3000)]
    made = segment_of(clustered(3000), kind=(rng.random(3000) < 0.1).astype(np.int32), words=passages)
    looked_up, look_up = [], bm25._look_up
    monkeypatch.setattr(bm25, "_look_up", lambda *a: (looked_up.append(a), look_up(*a)))
    for n in range(200):
        query = dict.fromkeys([f"w{rank}" for rank in rng.integers(1, 60, 4)] + ["w1", "w2"], 1.0)
        wanted = TURNS if n % 2 else EVERYONE
        monkeypatch.setattr(bm25, "LOOKED_UP", 10**9)
        before = len(looked_up)
        plain = bm25.TermQuery([made], query, wanted).best(1 + n % 20)
        assert len(looked_up) == before
        monkeypatch.setattr(bm25, "LOOKED_UP", 0)
        assert bm25.TermQuery([made], query, wanted).best(1 + n % 20) == plain
    assert len(looked_up) > 100


def test_words_weigh_the_same_sealed_or_not_retired_or_never_there(memory, open_memory, tiny):
    memory.remember(room(n) for n in range(60))
    before = memory.recall("room 17 team", 60)
    memory.remember(Document(f"x{n}.md", "Room 17 of team 3.") for n in range(20))
    for n in range(20):
        memory.retire(f"x{n}.md")
    assert memory.recall("room 17 team", 60) == before
    memory.refresh()
    assert open_memory().recall("room 17 team", 60) == before


def test_chinese_is_found_by_its_words_sealed_or_not(memory, open_memory):
    memory.remember([Document("a.md", "图书馆星期六上午十点开门。"), Document("b.md", "礼品卡不能退货。")])
    for _ in range(2):
        assert open_memory().retriever.view is not memory.retriever.view
        memory.recall("图书馆")
        assert [id for id, _ in memory.retriever.view.words(dict.fromkeys(content("图书馆几点开门"), 1.0), EVERYONE).best(5)] == [
            1
        ]
        memory.refresh()


def test_an_index_from_before_traditional_characters_were_read_as_simplified_ones_is_made_again(
    memory, open_memory, tiny, monkeypatch
):
    with monkeypatch.context() as before:
        before.setattr(segment_files, "FORMAT", 3)
        before.setattr("ragbot.text.tokens.simplified", lambda text: text)
        memory.remember(Document(f"{n}.md", f"第{n}號診所在{n}樓。") for n in range(20))
        memory.refresh()
        assert not open_memory().recall("诊所", part="lexical")
    now = open_memory()
    assert len(now.recall("诊所", 20, part="lexical")) == 20
    now.compact()
    assert open_memory().check(deep=True).problems == ()
    assert len(memory_view(open_memory()).sealed) == 1 and len(open_memory().recall("诊所", 20, part="lexical")) == 20


@pytest.mark.parametrize("words", ["会议", "会员", "请假", "猫", "茶多少钱", "能源", "会議", "会社", "犬", "물", "개"])
def test_short_words_of_scripts_without_spaces_are_found(memory, tiny, words):
    texts = ["公司每周一召开会议。", "会员每月费用是三百元。", "请假需要提前三天申请。", "黑猫喜欢睡在窗台上。", "茶每壶二十元。"]
    texts += ["新能源汽车的补贴今年结束。", "会議は毎週行われます。", "会社の駐車場は八時に開きます。", "公園では犬を放すな。"]
    texts += ["물은 하루에 두 잔 마신다.", "우리집 개 이름은 초코이다.", "图书馆周日关闭。", "停车场在地下二层。"]
    memory.remember(Document(f"{n}.md", text) for n, text in enumerate(texts))
    for _ in range(2):
        memory.recall(words)
        (first, _), *_ = memory.retriever.view.words(dict.fromkeys(query_tokens(words), 1.0), EVERYONE).best(5)
        assert words[0] in texts[first - 1]
        assert simplified(words[:2]) in simplified(texts[first - 1]) or words.startswith("茶")
        memory.refresh()


# Filters


SCOPES, KINDS, WORDS = ("ana", "ben", "cleo", "everyone"), ("file", "turn"), ("lab", "key", "room", "hall")
MOMENTS = st.integers(0, 9)
RETIRED = st.one_of(st.just(columns.FOREVER), MOMENTS)
FILTERS = st.builds(
    Filter,
    st.frozensets(st.sampled_from((*SCOPES, "nobody"))),
    st.none() | MOMENTS,
    st.frozensets(st.sampled_from(KINDS)),
    st.none() | st.frozensets(st.integers(1, 4)),
    st.none() | MOMENTS,
    st.none() | MOMENTS,
)


@st.composite
def passages_of_a_segment(draw):
    """A segment, some of its rows blank, from which some were retired and erased since; and of each row what is known of it."""
    rows = st.tuples(
        st.sampled_from(SCOPES), st.integers(1, 4), st.sampled_from(KINDS), MOMENTS, RETIRED, st.lists(st.sampled_from(WORDS))
    )
    known = sorted(draw(st.lists(rows, min_size=1, max_size=30)), key=lambda row: row[0])
    n = len(known)
    ids = np.array(draw(st.permutations(range(1, n + 1))), np.int64)
    order = np.lexsort((ids, [row[0] for row in known]))
    known, ids = [known[row] for row in order], ids[order]
    some = st.lists(st.integers(0, n - 1), unique=True, max_size=n)
    blank, late, gone = (np.array(draw(some), np.int64) for _ in range(3))
    scope = np.array([SCOPES.index(row[0]) for row in known], np.int32)
    scope[blank] = columns.BLANK
    column = {"documents": 1, "valid_from": 3, "retired_at": 4}
    made = columns.Columns(
        ids=ids,
        scope=scope,
        kind=np.array([KINDS.index(row[2]) for row in known], np.int32),
        **{name: np.array([row[at] for row in known], np.int64) for name, at in column.items()},
        scopes=SCOPES,
        kinds=KINDS,
    )
    vectors = np.random.default_rng(n).standard_normal((n, 8)).astype(np.float32)
    segment = Segment(made, postings.build([row[5] for row in known]), vectors, txn=1)
    if draw(st.booleans()):
        segment.shown(Filter(frozenset(SCOPES)))  # totals are counted before something is hidden, or after
    half = len(late) // 2
    for some, erased in ((late[:half], gone[:0]), (late[half:], gone)):
        segment = segment.hiding(np.append(ids[some], 99), np.full(len(some) + 1, 5), ids[erased])
    end = made.retired_at.copy()
    end[late] = np.minimum(end[late], 5)  # an end moves to an earlier time, never to a later one
    there = np.ones(n, np.bool_)
    there[blank] = there[gone] = False
    return segment, known, end, there


def brute_force(known, end, there, wanted):
    """Row by row."""
    return np.array(
        [
            bool(here)
            and scope in wanted.scopes
            and (until == columns.FOREVER if wanted.as_of is None else begun <= wanted.as_of < until)
            and (not wanted.kinds or kind in wanted.kinds)
            and (wanted.documents is None or document in wanted.documents)
            and (wanted.since is None or begun >= wanted.since)
            and (wanted.until is None or begun < wanted.until)
            for (scope, document, kind, begun, _, _), until, here in zip(known, end, there, strict=True)
        ],
        np.bool_,
    )


@settings(max_examples=400, deadline=None)
@given(passages_of_a_segment(), FILTERS, st.sampled_from((1, 16)))
def test_slices_show_what_a_mask_over_all_rows_shows(made, wanted, spans):
    segment, known, end, there = made
    mask = brute_force(known, end, there, wanted)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(segments, "MAX_SPANS", spans)
        shown = segment.shown(wanted)
    rows = np.flatnonzero(mask)
    assert np.concatenate([np.empty(0, np.int64), *(span.rows() for span in shown.spans)]).tolist() == rows.tolist()
    assert shown.contains(np.arange(len(known))).tolist() == mask.tolist()
    assert (shown.count, shown.tokens) == (len(rows), sum(len(known[row][5]) for row in rows))
    assert segment.columns.retired_at[there].tolist() == end[there].tolist()

    # What is found is what a segment of these rows alone gives.
    alone = Segment(segment.columns.take(rows), postings.build([known[row][5] for row in rows]), segment.vectors[rows], txn=1)
    words, everything = {"lab": 1.0, "key": 0.5, "room": 1.0}, Filter(wanted.scopes, wanted.as_of)
    asked, truth = bm25.TermQuery([segment], words, wanted), bm25.TermQuery([alone], words, everything)
    assert asked.weights == truth.weights
    for k in (1, 3, 50):
        assert asked.best(k) == truth.best(k)
        mine, theirs = (
            dict(zip(*one, strict=True))
            for one in (segment.nearest(segment.vectors[0], k, wanted), alone.nearest(segment.vectors[0], k, everything))
        )
        assert mine == theirs
    scores = dict(truth.best(50))
    found = [round(score, 5) for score in asked.scores(segment.ids).tolist()]
    assert found == [scores.get(id, 0.0) for id in segment.ids.tolist()]
    around = TurnNeighbours([segment], wanted).beside(segment.ids)
    assert around.tolist() == TurnNeighbours([alone], everything).beside(segment.ids).tolist()


def test_rows_out_of_the_order_of_their_scopes_are_refused():
    rows = segment_of(clustered(4)).columns
    rows = replace(rows, scope=np.array([0, 1, 0, 1], np.int32), scopes=("ana", "everyone"))
    with pytest.raises(ValueError, match="not in the order"):
        Segment(rows, postings.build([[]] * 4), clustered(4), txn=1)


def test_filters_narrow_by_kind_address_and_time(memory, open_memory, tiny):
    may = datetime(2026, 5, 1, tzinfo=UTC)
    days = [Document(f"log/{n}.md", f"Day {n} was calm.", valid_from=may + timedelta(days=n)) for n in range(20)]
    memory.remember([*days, Document("note", "A calm day, said Ana.", kind="turn"), Document("LOG/1.md", "Another calm day.")])
    for view in (memory, open_memory()):
        assert found(view, "calm day", kinds=["turn"]) == ["note"]
        assert found(view, "calm day", uris=["log/1*.md"]) == sorted(f"log/{n}.md" for n in (1, *range(10, 20)))
        assert found(view, "calm day", uris=["log/1.md", "note"]) == ["log/1.md", "note"]
        assert found(view, "calm day", uris=["nothing.md"]) == []
        assert found(view, "calm day", since=may + timedelta(days=3), until=may + timedelta(days=5)) == ["log/3.md", "log/4.md"]
        memory.compact()
        memory.refresh()


def test_a_scope_of_any_size_is_searched_whole(memory, tiny):
    memory.remember(room(n) for n in range(90))
    memory.remember(Document(f"own{n}.md", f"The room of cleo {n}.", scope="cleo") for n in range(3))
    memory.refresh()
    assert found(memory, scopes=["cleo"]) == ["own0.md", "own1.md", "own2.md"]
    assert found(memory, scopes=["ana"]) == sorted(f"{n}.md" for n in range(90) if n % 3 == 1)
    memory.retire("own1.md", scope="cleo")
    assert found(memory, scopes=["cleo"]) == ["own0.md", "own2.md"]


# Sealing and merging


def test_segments_grow_by_a_factor_and_the_past_lies_apart(memory, open_memory, tiny):
    before = datetime.now(UTC)
    for start in range(0, 120, 10):
        memory.remember(room(n) for n in range(start, start + 10))
        memory.compact()
    sizes = sorted(len(s) for s in memory_view(memory).sealed.values())
    assert sum(sizes) == 120
    assert merge_policy(sizes) == 0
    middle = datetime.now(UTC)
    for n in range(0, 120, 2):
        memory.retire(f"{n}.md", scope=("everyone", "ana", "ben")[n % 3])
    memory.refresh()
    view = memory_view(memory)
    assert sorted((len(s), s.past) for s in view.sealed.values()) == [(60, False), (60, True)]
    scopes = ["everyone", "ana", "ben"]
    for other in (memory, open_memory()):
        assert len(found(other, scopes=scopes)) == 60
        assert len(found(other, scopes=scopes, as_of=middle)) == 120
        assert found(other, scopes=scopes, as_of=before) == []
    assert memory.check(deep=True).problems == ()


def test_no_segment_is_larger_than_memory_allows(memory, open_memory, tiny, monkeypatch):
    monkeypatch.setattr(compaction, "MOST_ROWS", 40)
    for start in range(0, 150, 10):
        memory.remember(room(n) for n in range(start, start + 10))
        memory.compact()
    sizes = [len(s) for s in memory_view(memory).sealed.values()]
    assert sum(sizes) == 150
    assert max(sizes) <= 40
    for n in range(90):
        memory.retire(f"{n}.md", scope=("everyone", "ana", "ben")[n % 3])
    truth = found(memory, scopes=["ana", "ben"])
    memory.refresh()
    view = memory_view(memory)
    assert sorted((len(s), s.past) for s in view.sealed.values()) == [(30, False)] * 2 + [(30, True)] * 3
    assert found(memory, scopes=["ana", "ben"]) == found(open_memory(), scopes=["ana", "ben"]) == truth
    assert memory.check(deep=True).problems == ()


def memory_view(memory):
    memory.recall("room")
    return memory.retriever.view


def test_a_segment_of_which_much_was_retired_is_made_anew(memory, tiny):
    memory.remember(room(n * 3) for n in range(40))
    memory.compact()
    for n in range(20):
        memory.retire(f"{n * 3}.md")
    memory.compact()
    assert sorted((len(s), s.past) for s in memory_view(memory).sealed.values()) == [(20, False), (20, True)]


def test_what_is_erased_is_blank_in_a_graph_that_stays(memory, open_memory, home, tiny):
    memory.remember(room(n * 3) for n in range(100))
    memory.refresh()
    secret = memory.embedder().encode([room(30).text])[0].tobytes()
    (before,) = memory_view(memory).sealed.values()
    assert before.graph is not None
    assert secret in (home / "segments" / next(iter(memory.retriever.view.sealed)) / "vectors").read_bytes()
    memory.forget("30.md")
    (after,) = memory_view(memory).sealed.values()
    assert (len(after), after.graph.ef) == (100, before.graph.ef)
    assert not any(secret in file.read_bytes() for file in home.rglob("*") if file.is_file())
    assert found(memory) == found(open_memory()) == sorted(f"{n * 3}.md" for n in range(100) if n != 10)
    assert memory.check(deep=True).problems == ()
    memory.refresh()
    assert [len(s) for s in memory_view(memory).sealed.values()] == [99]


def test_a_reader_of_removed_segments_goes_on(memory, open_memory, tiny):
    observer = open_memory()
    memory.remember(room(n * 3) for n in range(60))
    memory.refresh()
    before = found(observer)
    manifest = manifests.read(memory.home, 1)
    memory.remember(Document("new.md", "A new room."))
    memory.refresh()
    assert not (memory.home / "segments" / manifest.segments[0]).exists()
    with memory.store.reading() as moment:
        observer.retriever._follower.follow(moment, manifest)  # read before the other was published
    assert len(observer.retriever.view.nearest(observer.embedder().encode_query("room"), 100, EVERYONE)) == 61
    assert found(observer) == sorted([*before, "new.md"])


# Damage


@pytest.mark.parametrize("harm", ["flip", "truncate", "remove", "empty"])
def test_any_harm_to_any_file_changes_no_answer_and_is_repaired(memory, open_memory, home, tiny, harm):
    memory.remember(room(n) for n in range(90))
    memory.retire("0.md")
    memory.refresh()
    for n in range(90, 100):
        memory.remember(room(n))
    memory.compact()
    everything = {"scopes": ["everyone", "ana", "ben"]}
    before = memory.recall("room 17 team", 40, **everything)
    harmed = [file for file in home.rglob("*") if file.is_file() and "segments" in file.parts or file.name.startswith("manifest")]
    assert len(harmed) > 30
    contents = {file.parent: file.read_bytes() for file in harmed if file.name == "contents.json"}
    for file in harmed:
        content = file.read_bytes()
        if harm == "remove":
            file.unlink()
        elif harm == "truncate":
            file.write_bytes(content[: len(content) // 2])
        elif harm == "empty":
            file.write_bytes(b"")
        elif content:
            middle = len(content) // 2
            file.write_bytes(content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :])
        if file.exists() and file.read_bytes() == content:
            continue
        fresh = open_memory()
        assert fresh.recall("room 17 team", 40, **everything) == before, file.name
        assert fresh.check().problems, file.name
        fresh.close()
        file.write_bytes(content)
        if contents.get(file.parent):  # whoever saw the harm threw it away, to tell whoever builds
            (file.parent / "contents.json").write_bytes(contents[file.parent])
    assert memory.check(deep=True).problems == ()


def test_what_was_sealed_before_and_harmed_since_is_replaced(tmp_path):
    def sealed_again():
        with files.folder_aside(tmp_path) as aside:
            (aside / "rows").write_bytes(b"the same")
            return tmp_path / files.commit(aside, {"format": 1})

    place = sealed_again()
    (place / "rows").write_bytes(b"not same")
    assert sealed_again() == place
    assert files.verified(place) == {"format": 1}


def test_repair_makes_the_index_anew(memory, open_memory, home, tiny):
    memory.remember(room(n) for n in range(90))
    memory.refresh()
    for name in memory_view(memory).sealed:
        (home / "segments" / name / "vectors").write_bytes(b"x")
    seen = open_memory().check(repair=True)
    assert seen.problems == ()
    assert any("damaged" in problem for problem in seen.repaired)
    assert memory.check(deep=True).problems == ()
    assert len(found(memory, scopes=["everyone", "ana", "ben"])) == 90


def lying(memory, change):
    """Publish a segment of which something was changed before it was sealed, with a digest that fits."""
    view = memory_view(memory)
    (segment,) = view.sealed.values()
    copy = segment_files.read(memory.home / "segments" / next(iter(view.sealed)))
    changed = change(copy) or copy
    name = segment_files.write(
        memory.home / "segments",
        [changed],
        [np.ones(len(changed), bool)],
        txn=segment.txn,
        past=False,
        stop=lambda: False,
    )
    with memory.store.writing():
        old = manifests.read(memory.home, 1)
        made = type(old)(old.generation + 1, old.space, old.covered, (name,), old.txn, old.token)
        manifests.publish(memory.home, made, {1})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: setattr(s, "vectors", np.roll(s.vectors, 1, axis=0)), "another vector"),
        (lambda s: setattr(s, "words", postings.build([["other"]] * len(s))), "other words"),
        (lambda s: setattr(s, "columns", _with(s, retired_at=np.where(s.ids == 4, 5, s.columns.retired_at))), "another end"),
        (lambda s: setattr(s, "columns", s.columns.take(np.r_[0:3, 3, 3, 5 : len(s)])), "is in no segment"),
        (lambda s: setattr(s, "columns", _with_ids(s, s.columns.ids + 1)), "does not know"),
        (lambda s: setattr(s, "columns", _with(s, scopes=("ben",))), "another scope"),
    ],
)
def test_check_sees_what_does_not_agree(memory, tiny, change, said):
    memory.remember(room(n * 3) for n in range(20))
    memory.refresh()
    assert memory.check(deep=True).problems == ()
    lying(memory, change)
    assert any(said in problem for problem in memory.check(deep=True).problems), memory.check(deep=True).problems
    assert memory.check(deep=True, repair=True).problems == ()


def _with(segment, **values):
    return replace(segment.columns, **values)


def _with_ids(segment, ids):
    return _with(segment, ids=ids)


# Spaces


def test_back_to_the_model_before(memory, open_memory, embedders, home, tiny):
    memory.remember(room(n * 3) for n in range(40))
    memory.refresh()
    with pytest.raises(ModelError, match="no earlier"):
        memory.refresh(back=True)
    told = []
    memory.refresh("other", progress=lambda *what: told.append(what))
    assert ("embedding", 40, 40) in told
    assert {file.name for file in home.glob("manifest-*")} == {"manifest-1.json", "manifest-2.json"}
    memory.remember(Document("new.md", "A new room."))
    other = open_memory()
    assert len(found(other)) == 41
    done = memory.refresh(back=True)
    assert (done.space.model, done.embedded) == ("multilingual-e5-small", 1)
    assert len(found(other)) == len(found(memory)) == 41
    memory.refresh("third")
    with memory.store.reading() as snapshot:
        assert [space.model for space in snapshot.kept_spaces()] == ["third", "multilingual-e5-small"]
        assert len(snapshot.vector_ids(type(done.space)(2, "other", "other-1", 256))) == 0
    assert memory.check(deep=True).problems == ()


def test_a_move_that_is_cut_off_goes_on_where_it_was(memory, embedders, monkeypatch):
    memory.remember(room(n * 3) for n in range(40))
    monkeypatch.setattr("ragbot.maintenance.spaces.BATCH", 16)
    from ragbot.store import Transaction

    real, calls = Transaction.add_vectors, []

    def cut(self, *args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, *args)

    monkeypatch.setattr(Transaction, "add_vectors", cut)
    with pytest.raises(KeyboardInterrupt):
        memory.refresh("other")
    assert memory.embedder().model == "multilingual-e5-small"
    assert len(found(memory)) == 40
    monkeypatch.setattr(Transaction, "add_vectors", real)
    assert memory.refresh("other").embedded == 8
    assert memory.embedder().model == "other"


# Backups, and homes that may not be written


def test_a_backup_is_a_home_and_comes_back(memory, open_memory, tmp_path, tiny):
    memory.remember(room(n * 3) for n in range(40))
    memory.refresh()
    memory.backup(tmp_path / "backup")
    other = open_memory()
    memory.remember(Document("late.md", "A late room."))
    memory.refresh()
    assert "late.md" in found(other)
    with Memory.open(tmp_path / "backup", create=False) as copy:
        assert len(found(copy)) == 40
    memory.restore(tmp_path / "backup")
    for view in (memory, other, open_memory()):
        assert "late.md" not in found(view)
        assert len(found(view)) == 40
    memory.remember(Document("other.md", "Another room."))  # takes the number that the late one had
    for view in (memory, other, open_memory()):
        assert found(view) == sorted([*(f"{n * 3}.md" for n in range(40)), "other.md"])
    memory.compact()
    memory.refresh()
    assert memory.check(deep=True).problems == ()


def test_backups_in_the_wrong_place(memory, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    with pytest.raises(HomeError, match="not empty"):
        memory.backup(tmp_path / "full")
    with pytest.raises(HomeError, match="no memory here"):
        memory.restore(tmp_path / "nothing")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "ragbot.db").write_bytes(b"SQLite format 3\x00" + b"x" * 5000)
    memory.remember(room(0))
    with pytest.raises(HomeError, match="damaged"):
        memory.restore(tmp_path / "damaged")
    assert found(memory) == ["0.md"]


READ_ONLY = """
import os, sys
sys.path.insert(0, {tests!r})
import ragbot.runtime
from fakes import FakeEmbedder
ragbot.runtime.open_embedder = FakeEmbedder
from ragbot import Document, Memory
from ragbot.errors import HomeError
if os.getuid() == 0:
    os.setuid(65534)
with Memory.open({home!r}, create=False) as memory:
    print(memory.recall("room")[0].chunk.uri, memory.check().problems)
    try:
        memory.remember(Document("a.md", "Something."))
    except HomeError as cause:
        print(cause)
"""


@pytest.mark.parametrize("closed", [True, False])
def test_a_home_that_may_not_be_written_answers(embedders, reachable, closed):
    home = reachable / "home"
    memory = Memory.open(home)
    memory.remember(room(0))
    memory.refresh()
    if closed:
        memory.close()
    for path in (*home.rglob("*"), home):
        path.chmod(0o555 if path.is_dir() else 0o444)
    code = READ_ONLY.format(tests=str(ROOT / "tests"), home=str(home))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    memory.close()
    assert done.stdout.startswith("0.md ()\n"), done.stderr
    assert "cannot be written" in done.stdout


def test_a_damaged_segment_is_mended_by_whoever_builds_next(memory, open_memory, home, tiny):
    memory.remember(room(n * 3) for n in range(40))
    memory.refresh()
    (name,) = memory_view(memory).sealed
    content = bytearray((home / "segments" / name / "vectors").read_bytes())
    content[len(content) // 2] ^= 4
    (home / "segments" / name / "vectors").write_bytes(content)
    memory.remember(room(n * 3) for n in range(40, 80))
    memory.compact()  # merges what is sound with what is not
    assert open_memory().check(deep=True).problems == ()
    assert found(open_memory()) == sorted(f"{n * 3}.md" for n in range(80))


def test_forgetting_beside_a_damaged_segment(memory, open_memory, home, tiny):
    memory.remember(room(n * 3) for n in range(40))
    memory.refresh()
    secret = memory.embedder().encode([room(30).text])[0].tobytes()
    (name,) = memory_view(memory).sealed
    content = bytearray((home / "segments" / name / "counts").read_bytes())
    content[0] ^= 4
    (home / "segments" / name / "counts").write_bytes(content)
    memory.forget("30.md")
    assert not any(secret in file.read_bytes() for file in home.rglob("*") if file.is_file())
    assert found(open_memory()) == sorted(f"{n * 3}.md" for n in range(40) if n != 10)
    assert open_memory().check(deep=True).problems == ()


def test_segments_in_force_stay_where_a_new_one_gives_way(memory, open_memory, home, tiny):
    memory.remember(room(n) for n in range(20))
    memory.compact()
    memory.recall("room")
    before = set(memory_view(memory).sealed)

    def sealed():
        return {path.name for path in (home / "segments").iterdir() if path.is_dir() and files.ASIDE not in path.name}

    assert before and sealed() == before
    memory.remember(room(n) for n in range(20, 40))
    compactor = compaction.Compactor(home, memory.store, tokens_of)
    with compaction.building(home), pytest.raises(hnsw.Stopped):
        compactor.step(lambda: sealed() != before)
    assert sealed() == before
    assert open_memory().check(deep=True).problems == ()
    assert len(found(open_memory(), scopes=["everyone", "ana", "ben"])) == 40


def test_an_index_of_what_was_all_forgotten_is_made_of_nothing(memory, open_memory):
    memory.remember(room(0))
    memory.forget("0.md")
    assert memory.refresh().sealed == 0
    assert found(open_memory()) == []
    assert open_memory().check(deep=True).problems == ()


@pytest.mark.parametrize("most", [1, 3, 4, 100])
def test_rows_are_shared_out_once_each_and_evenly(most):
    keep = [np.random.default_rng(n).random(size) < 0.6 for n, size in enumerate((7, 0, 1, 12))]
    shares = list(compaction._shares(keep, most))
    total = sum(int(mask.sum()) for mask in keep)
    sizes = [sum(int(mask.sum()) for mask in share) for share in shares]
    assert len(shares) == -(-total // most) and max(sizes) <= most and max(sizes) - min(sizes) <= 1
    for part, mask in enumerate(keep):
        assert (sum(share[part].astype(int) for share in shares) == mask.astype(int)).all()
