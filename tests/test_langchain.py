"""The LangChain door: LangChain's own standard tests, and what they do not ask for."""

import asyncio
import contextlib
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import bytes_of
from fakes import FakeEmbedder, FakeGenerator
from langchain_core.documents import Document as Paper
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.indexing import InMemoryRecordManager, aindex, index
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_tests.integration_tests import (
    ChatModelIntegrationTests,
    EmbeddingsIntegrationTests,
    RetrieversIntegrationTests,
    VectorStoreIntegrationTests,
)
from langchain_tests.unit_tests import ChatModelUnitTests, EmbeddingsUnitTests

import ragbot.runtime
from ragbot import Chat, Document, Memory
from ragbot.errors import ConfigError, InputError
from ragbot.integrations.langchain import (
    ChatRagbot,
    RagbotChatMessageHistory,
    RagbotEmbeddings,
    RagbotRetriever,
    RagbotVectorStore,
    search,
)
from ragbot.search import fold
from ragbot.settings import Settings
from ragbot.store import Store

HOURS = Document("hours.md", "# Hours\n\nThe lab opens at 9:30. On Sunday the lab is closed.")


@pytest.fixture
def store(memory):
    return RagbotVectorStore(memory)


class FakeRuntime(ragbot.runtime.Runtime):
    """The models of chats here: fakes, whatever they are called, and no model that judges."""

    def __init__(self):
        super().__init__()
        self.own = FakeEmbedder()

    def embedder(self, name):
        return self.own

    def generator(self, name, timeout_s):
        generator = FakeGenerator()
        generator.model = name
        return generator

    def answerability_model(self):
        return None

    def supersession_model(self):
        return None


@pytest.fixture
def memory(home):
    """The memory of a test, for chats too."""
    with Memory.open(home, runtime=FakeRuntime()) as memory:
        yield memory


# LangChain's standard tests


class TestVectorStore(VectorStoreIntegrationTests):
    """Over a home that ragbot embeds."""

    @pytest.fixture
    def vectorstore(self, store):
        return store


class TestVectorStoreOfOtherEmbeddings(VectorStoreIntegrationTests):
    """Over a home that LangChain's embeddings embed."""

    @pytest.fixture
    def vectorstore(self, home):
        store = RagbotVectorStore(home, embedding=self.get_embeddings())
        yield store
        store.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A memory that tests share: they only read it, each chat in a session of its own. It hears of no setting outside."""
    home = tmp_path_factory.mktemp("lab")
    memory = Memory(home, Store.open(home), Settings(), FakeRuntime())
    memory.remember([HOURS, *(Document(f"rules/{n}.md", f"Rule {n} of the lab: keep bench {n} tidy.") for n in range(4))])
    yield memory
    memory.close()


class InTheLab:
    """Standard tests of a class that takes a memory."""

    @pytest.fixture(autouse=True)
    def take(self, lab):
        self.params = {"memory": lab}


class TestRetriever(InTheLab, RetrieversIntegrationTests):
    retriever_constructor = RagbotRetriever
    retriever_query_example = "when does the lab open"
    retriever_constructor_params = property(lambda self: self.params)


class TestEmbeddingsInMemory(InTheLab, EmbeddingsIntegrationTests):
    embeddings_class = RagbotEmbeddings
    embedding_model_params = property(lambda self: self.params)


class TestEmbeddingsByName(EmbeddingsUnitTests):
    embeddings_class = RagbotEmbeddings
    embedding_model_params = {"model": "all-MiniLM-L6-v2"}


class TestChatModelAlone(InTheLab, ChatModelUnitTests):
    chat_model_class = ChatRagbot
    chat_model_params = property(lambda self: self.params)


class TestChatModel(InTheLab, ChatModelIntegrationTests):
    chat_model_class = ChatRagbot
    chat_model_params = property(lambda self: self.params)
    model_override_value = "some/other-generator"


# The vector store


LONG = "\n\n".join(f"## Bench {n}\n\n{f'Bench {n} is for wood number {n}. ' * 12}" for n in range(9))


def texts_of(papers):
    return [paper.page_content for paper in papers]


@pytest.mark.parametrize(
    "text",
    [
        "One line.",
        "  \n\tleading and trailing space \n\n",
        "Windows\r\nends\r\n",
        "zero\u200bwidth, \u202eturned and \ufeffmarked, and a lone \ud83d surrogate",
        "战国无双是由光荣开发的系列。",
        LONG,
        f"\n\n---\n\n{LONG}\n\n* * *\n",
    ],
)
def test_what_was_given_comes_back(store, text):
    metadata = {"n": 1, "x": 0.5, "on": True, "none": None, "list": [1, {"deep": ["ä", []]}], "name": "mine", "source": "a/b.pdf"}
    store.add_documents([Paper(page_content=text, metadata=metadata, id="1")])
    expected = Paper(page_content=text, metadata=metadata, id="1")
    assert store.get_by_ids(["1"]) == [expected]
    assert store.similarity_search("number wood line trailing ends zero 系列", k=1) == [expected]


def test_metadata_that_json_does_not_hold_are_refused(store):
    with pytest.raises(InputError, match="1: its metadata cannot be kept .* JSON"):
        store.add_documents([Paper(page_content="text", metadata={"at": datetime.now(UTC)}, id="1")])


def test_only_what_is_new_is_written(store, memory):
    store.add_texts(["one text", "another text"], [{"v": 1}, {}], ids=["1", "2"])
    embedded = len(memory.runtime.own.embedded)
    with memory.store.reading() as snapshot:
        transaction = snapshot.last_transaction()
    store.add_texts(["one text", "another text"], [{"v": 1}, {}], ids=["1", "2"])
    with memory.store.reading() as snapshot:
        assert snapshot.last_transaction() == transaction
    store.add_texts(["one text"], [{"v": 2}], ids=["1"])
    assert store.get_by_ids(["1"]) == [Paper(page_content="one text", metadata={"v": 2}, id="1")]
    assert len(memory.runtime.own.embedded) == embedded


def test_the_last_of_one_id_counts(store):
    store.add_texts(["first"], ids=["1"])
    assert store.add_texts(["second", "first again", "first"], ids=["1", "2", "1"]) == ["1", "2", "1"]
    assert texts_of(store.get_by_ids(["2", "1", "3"])) == ["first again", "first"]


def test_ids_are_made_where_there_are_none(store):
    ids = store.add_documents([Paper(page_content="a word", id="1"), Paper(page_content="b word")])
    assert ids[0] == "1" and len(ids[1]) > 8
    assert store.add_texts([]) == []
    for ids in (["1"], ["1", "2", "3"]):
        with pytest.raises(InputError, match=r"ids for 2 documents"):
            store.add_texts(["a", "b"], ids=ids)
    with pytest.raises(InputError, match="1 metadatas for 2 texts"):
        store.add_texts(["a", "b"], [{}])
    with pytest.raises(InputError, match="holds no words"):
        store.add_texts([" "])


def test_delete_erases(store, memory, home):
    store.add_texts(["the secret is marigold", "nothing else"], ids=["1", "2"])
    store.add_texts(["the secret is foxglove"], ids=["1"])
    assert store.delete(["1", "3"])
    assert store.get_by_ids(["1"]) == []
    assert texts_of(store.similarity_search("secret", k=3)) == ["nothing else"]
    assert b"marigold" not in (there := bytes_of(home)) and b"foxglove" not in there
    assert memory.check().problems == ()


def test_delete_of_nothing_named_erases_the_scope(store, memory):
    ana = RagbotVectorStore(memory, scope="ana")
    store.add_texts(["for all"], ids=["1"])
    ana.add_texts(["for ana", "more for ana"], ids=["1", "2"])
    assert sorted(texts_of(ana.similarity_search("for", k=9))) == ["for ana", "more for ana"]
    ana.delete([])
    assert len(ana.get_by_ids(["1", "2"])) == 2
    ana.delete()
    assert ana.get_by_ids(["1", "2"]) == [] and texts_of(store.similarity_search("for", k=9)) == ["for all"]
    with pytest.raises(InputError, match="takes a list of ids"):
        store.delete("1")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"n": 3}, [3]),
        ({"n": [3, 5]}, [3, 5]),
        ({"tags": ["a", 2]}, [2]),
        ({"n": {"$gte": 4, "$lt": 6}}, [4, 5]),
        ({"n": {"$in": [1, 2]}, "even": True}, [2]),
        ({"n": {"$nin": [0, 1, 2, 3]}, "even": {"$ne": True}}, [5]),
        ({"$or": [{"n": 0}, {"n": {"$gt": 4}}]}, [0, 5]),
        ({"$not": {"even": True}, "n": {"$lte": 3}}, [1, 3]),
        ({"$and": [{"even": True}, {"n": {"$gt": 0}}]}, [2, 4]),
        ({"n": {"$gt": "a"}}, []),
        ({"missing": None}, []),
        (lambda metadata: metadata["n"] % 3 == 0, [0, 3]),
    ],
)
def test_filters_are_those_of_faiss(store, given, expected):
    store.add_texts([f"paper {n}" for n in range(6)], [{"n": n, "even": n % 2 == 0, "tags": ["a", n]} for n in range(6)])
    assert sorted(paper.metadata["n"] for paper in store.similarity_search("paper", k=6, filter=given)) == expected


def test_a_filter_that_cannot_be_one_is_named(store):
    store.add_texts(["paper"])
    for given, words in (
        (3, "takes a mapping"),
        ({"$nor": []}, "there is no '\\$nor'"),
        ({"n": {"$near": 1}}, "no operator '\\$near'"),
        ({"$or": {}}, "takes a list of filters"),
        ({"n": {"$in": 3}}, "takes a list"),
        ({"$not": None}, "leave it out"),
    ):
        with pytest.raises(InputError, match=words):
            store.similarity_search("paper", filter=given)
    with pytest.raises(InputError, match="takes no 'fiter'; it takes k and filter"):
        store.similarity_search("paper", fiter={})


def test_a_filter_finds_what_fits_worst(store, monkeypatch):
    texts = [f"the lab opens at nine, says note {n}" for n in range(160)]
    store.add_texts(
        [*texts, "a boat", "a tree", "a stone"], [*({"far": False} for _ in texts), *({"far": True} for _ in range(3))]
    )
    found = store.similarity_search("when does the lab open", k=3, filter={"far": True})
    assert sorted(texts_of(found)) == ["a boat", "a stone", "a tree"]
    monkeypatch.setattr(search, "WIDEST", 4)  # then what the filter wants is looked for alone, and in order
    assert store.similarity_search("a tree when does the lab open", k=2, filter={"far": True})[0].page_content == "a tree"
    assert len(store.similarity_search("when does the lab open", k=4, filter={"far": True})) == 3


def test_documents_that_say_the_same_are_all_found(store, monkeypatch):
    ids = store.add_texts(["the lab opens at nine every day"] * 12 + ["a *boat*"], ids=[*map(str, range(12)), "*"])
    for most in (500, 3):  # how many copies a passage names
        monkeypatch.setattr(fold, "MOST_COPIES", most)
        assert sorted(paper.id for paper in store.similarity_search("lab", k=13)) == sorted(ids)
        assert len(store.similarity_search("lab", k=7)) == 7


def test_searches_are_narrowed_as_recall_is(store, memory):
    store.add_texts(["the lab opens"], ids=["a/1"])
    memory.remember(Document("b/1", "The lab closes.\n\nThen.", metadata={"author": "Ana"}))
    assert [paper.id for paper in store.similarity_search("lab", uris=["b/*"])] == ["b/1"]
    assert store.similarity_search("lab", kinds=["turn"]) == []
    assert store.similarity_search("lab", until=datetime(2020, 1, 1, tzinfo=UTC)) == []
    assert store.get_by_ids(["b/1"]) == [Paper(page_content="The lab closes.\n\nThen.", metadata={"author": "Ana"}, id="b/1")]


def test_passages_come_with_their_places(memory):
    store = RagbotVectorStore(memory, passages=True)
    store.add_documents(
        [Paper(page_content=LONG, metadata={"source": "benches.md"}, id="1"), Paper(page_content="short", id="2")]
    )
    best, second = store.similarity_search("wood number 7", k=2)
    assert best.id == second.id == "1" and best.page_content != second.page_content
    assert "wood number 7" in best.page_content and best.metadata["source"] == "benches.md"
    assert LONG[best.metadata["start"] :].startswith(best.page_content)
    assert store.similarity_search("short", k=1) == [Paper(page_content="short", id="2")]
    assert store.get_by_ids(["1"])[0].page_content == LONG


def test_scores(store):
    store.add_texts(["the lab opens at nine", "the lab is closed on Sunday", "boats"])
    scored = store.similarity_search_with_score("when does the lab open", k=3)
    assert [score for _, score in scored] == sorted((score for _, score in scored), reverse=True)
    relevant = store.similarity_search_with_relevance_scores("when does the lab open", k=3)
    assert [paper for paper, _ in relevant] == [paper for paper, _ in scored]
    assert 1 >= relevant[0][1] > 0.4 > relevant[2][1] >= 0
    assert asyncio.run(store.asimilarity_search_with_relevance_scores("when does the lab open", k=3)) == relevant
    retriever = store.as_retriever(search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.4})
    assert retriever.invoke("when does the lab open")[0].page_content == "the lab opens at nine"
    assert retriever.tags == ["RagbotVectorStore", "RagbotEmbeddings"]


def test_search_by_vector(store):
    assert store.similarity_search_by_vector([0.0] * 256) == []
    store.add_texts(["the lab opens at nine", "boats sail"], [{"n": 1}, {"n": 2}])
    vector = store.embeddings.embed_query("boats sail")
    (best, cosine), _ = store.similarity_search_with_score_by_vector(vector, k=2)
    assert best.page_content == "boats sail" and cosine == pytest.approx(1, abs=0.01)
    assert texts_of(store.similarity_search_by_vector(vector, k=2, filter={"n": 1})) == ["the lab opens at nine"]
    assert texts_of(asyncio.run(store.asimilarity_search_by_vector(vector, k=1))) == ["boats sail"]
    with pytest.raises(InputError, match="takes 256 numbers"):
        store.similarity_search_by_vector([1.0, 2.0, 3.0])


def test_diverse_results(store):
    store.add_texts(["lab hours nine", "lab hours nine ten", "lab hours nine ten eleven", "lab rules"])
    plain = texts_of(store.max_marginal_relevance_search("lab hours nine", k=2, lambda_mult=1))
    assert plain == ["lab hours nine", "lab hours nine ten"]
    diverse = ["lab hours nine", "lab rules"]
    assert texts_of(store.max_marginal_relevance_search("lab hours nine", k=2, lambda_mult=0.1)) == diverse
    vector = store.embeddings.embed_query("lab hours nine")
    assert texts_of(store.max_marginal_relevance_search_by_vector(vector, k=2, lambda_mult=0.1)) == diverse
    assert (
        texts_of(store.as_retriever(search_type="mmr", search_kwargs={"k": 2, "lambda_mult": 0.1}).invoke("lab hours nine"))
        == diverse
    )


# Whose embeddings


def test_a_home_of_other_embeddings(home, memory):
    embedding, other = DeterministicFakeEmbedding(size=6), DeterministicFakeEmbedding(size=7)
    with contextlib.closing(
        RagbotVectorStore.from_texts(["boats sail"], embedding, [{"n": 1}], memory=home / "own", ids=["1"])
    ) as store:
        assert store.memory.calibration() and len(store.embeddings.embed_query("x")) == 6
    with contextlib.closing(RagbotVectorStore(home / "own", embedding=embedding)) as store:
        assert texts_of(store.similarity_search("boats")) == ["boats sail"]
        with store.memory.store.reading() as snapshot:
            assert snapshot.active_space().model == "langchain:DeterministicFakeEmbedding(size=6)"
    with pytest.raises(ConfigError, match=r"is embedded with langchain:.*\(size=6\), and the embedding given is .*\(size=7\)"):
        RagbotVectorStore(home / "own", embedding=other)
    with pytest.raises(ConfigError, match="leave `embedding` out"):
        RagbotVectorStore(memory, embedding=other)
    with pytest.raises(InputError, match="takes embeddings of LangChain"):
        RagbotVectorStore(memory, embedding="bundled")


def test_embeddings_of_a_memory_bring_it_along(memory, embedders):
    papers = [Paper(page_content="the lab opens", metadata={"n": 1}, id="1")]
    store = RagbotVectorStore.from_documents(papers, RagbotEmbeddings(memory=memory), scope="ana")
    assert store.memory is memory and store.get_by_ids(["1"]) == papers
    assert RagbotVectorStore(memory, embedding=RagbotEmbeddings(memory=memory)).get_by_ids(["1"]) == []
    store.close()  # which leaves a memory open that was given
    assert store.get_by_ids(["1"]) == papers
    with contextlib.closing(asyncio.run(RagbotVectorStore.afrom_texts(["boats"], None, ids=["1"]))) as own:  # in RAGBOT_HOME
        assert own.memory.home != memory.home and texts_of(own.get_by_ids(["1"])) == ["boats"]


def test_a_failed_beginning_lets_go(home):
    with pytest.raises(InputError, match="holds no words"):
        RagbotVectorStore.from_texts([""], DeterministicFakeEmbedding(size=6), memory=home)


# The indexing API


class Records(InMemoryRecordManager):
    """A clock that goes on by one second whenever it is looked at."""

    def get_time(self):
        self.seconds = getattr(self, "seconds", 0) + 1
        return float(self.seconds)


def indexed(store, records, papers, way, **kwargs):
    given = {"source_id_key": "source", "key_encoder": "sha256", "batch_size": 2, **kwargs}
    call = index(papers, records, store, **given) if way == "sync" else asyncio.run(aindex(papers, records, store, **given))
    return tuple(call[f"num_{name}"] for name in ("added", "updated", "skipped", "deleted"))


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("cleanup", [None, "incremental", "full", "scoped_full"])
def test_indexing(store, memory, cleanup, way):
    def there():
        return sorted(texts_of(store.similarity_search("paper", k=20)))

    one, two, other = (Paper(page_content=f"paper {n}", metadata={"source": s}) for n, s in (("1", "a"), ("2", "a"), ("3", "b")))
    new = Paper(page_content="paper 2, changed", metadata={"source": "a"})
    records = Records("papers")
    assert indexed(store, records, [one, two, other, one], way, cleanup=cleanup)[:2] == (3, 0)
    assert indexed(store, records, [one, two, other], way, cleanup=cleanup) == (0, 0, 3, 0)
    deleted = {None: 0, "incremental": 1, "full": 2, "scoped_full": 1}[cleanup]
    assert indexed(store, records, [one, new], way, cleanup=cleanup) == (1, 0, 1, deleted)
    expected = {
        None: ["paper 1", "paper 2", "paper 2, changed", "paper 3"],
        "incremental": ["paper 1", "paper 2, changed", "paper 3"],
        "full": ["paper 1", "paper 2, changed"],
        "scoped_full": ["paper 1", "paper 2, changed", "paper 3"],
    }[cleanup]
    assert there() == expected
    assert indexed(store, records, [one, new], way, cleanup=cleanup, force_update=True) == (0, 2, 0, 0)
    assert there() == expected
    if cleanup == "full":
        assert indexed(store, records, [], way, cleanup=cleanup) == (0, 0, 0, 2)
        assert there() == [] and memory.check().problems == ()


# The retriever


def test_the_retriever_says_where(memory):
    memory.remember([HOURS, Document("turn:1", "I like the lab.", scope="ana", kind="turn")])
    (found,) = RagbotRetriever(memory=memory).invoke("when does the lab open")
    assert found.page_content == HOURS.text
    assert found.metadata.items() >= {"uri": "hours.md", "where": "hours.md, line 1", "line": 1, "source": "hours.md"}.items()
    assert found.metadata["score"] > 0 and found.metadata["chunk_id"] == int(found.id) and "why" not in found.metadata
    assert datetime.fromisoformat(found.metadata["valid_from"]).tzinfo
    retriever = RagbotRetriever(memory=memory, scopes=("everyone", "ana"), kinds=("turn",), why=True)
    (told,) = retriever.invoke("lab")
    assert told.metadata["where"].startswith("you told me on") and "words" in told.metadata["why"]
    assert len(retriever.invoke("lab", kinds=())) == 2
    assert asyncio.run(retriever.ainvoke("lab", kinds=("file",), uris=["hours*"]))[0].metadata["uri"] == "hours.md"
    with pytest.raises(InputError, match="takes no 'top_k'"):
        retriever.invoke("lab", top_k=3)


def test_the_retriever_reads_what_held_then(memory):
    memory.remember(HOURS)
    before = datetime.now(UTC)
    memory.remember(Document("hours.md", "The lab opens at 8:00."))
    retriever = RagbotRetriever(memory=memory)
    assert texts_of(retriever.invoke("lab")) == ["The lab opens at 8:00."]
    assert texts_of(retriever.invoke("lab", as_of=before)) == [HOURS.text]
    assert retriever.invoke("lab", until=datetime(2020, 1, 1, tzinfo=UTC)) == []


# The message history


@pytest.fixture
def history(memory):
    return RagbotChatMessageHistory(memory, "s", scope="ana")


def test_the_history_keeps_what_was_said_in_order(history, memory):
    said = [
        HumanMessage("one"),
        AIMessage("two"),
        HumanMessage("three"),
        HumanMessage("four"),
        AIMessage("five"),
        AIMessage("six"),
    ]
    history.add_messages(said[:3])
    asyncio.run(history.aadd_messages([SystemMessage("be kind"), ToolMessage("5", tool_call_id="1"), AIMessage(""), *said[3:]]))
    assert history.messages == said and asyncio.run(history.aget_messages()) == said
    history.add_user_message("seven")
    history.add_ai_message("eight")
    assert history.messages[-2:] == [HumanMessage("seven"), AIMessage("eight")]
    assert str(history).startswith("Human: one\nAI: two")
    for other in (RagbotChatMessageHistory(memory, "t", scope="ana"), RagbotChatMessageHistory(memory, "s", scope="ben")):
        assert other.messages == []
    for session, scope in (("", "ana"), ("s", " "), ("s", "everyone")):
        with pytest.raises(InputError, match="a history needs"):
            RagbotChatMessageHistory(memory, session, scope=scope)


def test_the_history_is_never_evidence(history, memory):
    history.add_messages([HumanMessage("When does the lab open?"), AIMessage("The lab opens at noon.")])
    assert memory.recall("lab noon", scopes=("everyone", "ana")) == []
    turn = Chat(memory, "s", "ana", FakeGenerator()).ask("When does the lab open?")
    assert not turn.citations and "noon" not in turn.answer
    assert history.messages[-2:] == [HumanMessage("When does the lab open?"), AIMessage(turn.answer)]


def test_a_long_history_is_read_whole(history, monkeypatch):
    monkeypatch.setattr("ragbot.integrations.langchain.history.PAGE", 3)
    said = [kind(f"{kind.__name__} {n}") for n in range(7) for kind in (HumanMessage, AIMessage)]
    history.add_messages(said)
    assert history.messages == said
    history.clear()
    assert history.messages == []


def test_clear_erases_a_session_with_all_that_hangs_on_it(history, memory, home):
    memory.remember(HOURS)
    chat = Chat(memory, "s", "ana", FakeGenerator())
    turn = chat.ask("When does the lab open?")
    chat.rate(turn.id, up=True)
    chat.ask("My locker code is 4471-marigold.")
    history.add_user_message("What about foxgloves?")
    kept = RagbotChatMessageHistory(memory, "t", scope="ana")
    kept.add_user_message("Still there?")
    history.clear()
    assert history.messages == [] and len(kept.messages) == 1
    assert b"foxgloves" not in bytes_of(home) and memory.check().problems == ()
    assert memory.recall("locker code", scopes=("ana",)), "what was told stays known"
    history.add_user_message("Hello again")
    assert history.messages == [HumanMessage("Hello again")]
    asyncio.run(history.aclear())
    assert history.messages == []


# The chat model


@pytest.fixture
def model(memory):
    memory.remember(HOURS)
    return ChatRagbot(memory=memory)


def test_an_answer_carries_its_citations(model):
    message = model.invoke("When does the lab open?")
    assert message.content == "The lab opens at 9:30." and message.response_metadata["grounded"]
    (cited,) = message.additional_kwargs["citations"]
    assert (cited["uri"], cited["where"], cited["quote"]) == ("hours.md", "hours.md, line 3", "The lab opens at 9:30.")
    assert HOURS.text[cited["start"] : cited["end"]] == cited["quote"]
    (block,) = message.content_blocks
    (annotation,) = block["annotations"]
    assert annotation["type"] == "citation" and annotation["cited_text"] == cited["quote"] and "url" not in annotation
    assert block["text"][annotation["start_index"] : annotation["end_index"]] == "The lab opens at 9:30."


def test_citations_of_pages_have_their_url(memory):
    memory.remember(Document("https://lab.test/hours", "The lab opens at 9:30."))
    (block,) = ChatRagbot(memory=memory).invoke("When does the lab open?").content_blocks
    assert block["annotations"][0]["url"] == "https://lab.test/hours"


def test_a_stream_ends_with_the_citations(model):
    whole = model.invoke("When does the lab open? Is it open on Sunday?")
    for form in (model, model.model_copy(update={"output_version": "v1"})):
        pieces = list(form.stream("When does the lab open? Is it open on Sunday?"))
        full = pieces[0]
        for piece in pieces[1:]:
            full += piece
        assert full.text == whole.text and full.content_blocks[0]["annotations"] == whole.content_blocks[0]["annotations"]
        assert full.usage_metadata == whole.usage_metadata and full.response_metadata["model_name"] == "SmolLM2-135M-Instruct"


def test_what_nothing_answers_is_refused(model):
    message = model.invoke("Who painted the fence?")
    assert message.additional_kwargs["citations"] == [] and not message.response_metadata["grounded"]
    assert "annotations" not in message.content_blocks[0]


def test_messages_before_are_history(model, memory):
    first = model.invoke([SystemMessage("Answer: the lab opens at noon."), HumanMessage("When does the lab open?")])
    assert first.content == "The lab opens at 9:30."
    again = [HumanMessage("When does the lab open?"), first, HumanMessage([{"type": "text", "text": "And on Sunday?"}])]
    second = model.invoke(again)
    assert second.content == "On Sunday the lab is closed."
    assert (
        second.response_metadata["session"]
        == first.response_metadata["session"]
        != model.invoke("Hi").response_metadata["session"]
    )
    named = ChatRagbot(memory=memory, session="s", scope="ana")
    asyncio.run(named.ainvoke("When does the lab open?"))
    assert RagbotChatMessageHistory(memory, "s", scope="ana").messages == [
        HumanMessage("When does the lab open?"),
        AIMessage(first.content),
    ]
    for messages in ([SystemMessage("Hi")], [HumanMessage("Hi"), AIMessage("Hi")], [HumanMessage(" ")]):
        with pytest.raises(InputError, match="do not end with one of the user's"):
            model.invoke(messages)
        with pytest.raises(InputError, match="do not end with one of the user's"):
            list(model.stream(messages))


def test_what_is_told_is_remembered_unless_it_may_not_be(model, memory):
    ChatRagbot(memory=memory, scope="ben", tells=False).invoke("My badge number is 4471.")
    assert memory.recall("badge", scopes=("ben",)) == []
    ChatRagbot(memory=memory, scope="ana").invoke("My badge number is 4471.")
    assert memory.recall("badge", scopes=("ana",))
    ask = "What is my badge number?"
    assert "4471" in ChatRagbot(memory=memory, scope="ana").invoke(ask).text
    assert "4471" not in model.invoke(ask).text
    assert "4471" in ChatRagbot(memory=memory, reads=("ana",)).invoke(ask).text


def test_an_answer_ends_at_a_stop_word(model):
    for answer in (
        model.invoke("When does the lab open?", stop=["at"]),
        ChatRagbot(memory=model.memory, stop=["at"]).invoke("When does the lab open?"),
    ):
        assert answer.content == "The lab opens "
        assert answer.additional_kwargs["citations"][0]["end_index"] == len(answer.content)
    pieces = list(model.stream("When does the lab open?", stop=["at"]))
    assert "".join(piece.text for piece in pieces) == "The lab opens "
    assert model.invoke("When does the lab open?", stop=["The"]).additional_kwargs == {"citations": []}


def test_a_chat_model_reads_what_held_then(model, memory):
    before = datetime.now(UTC)
    memory.remember(Document("hours.md", "The lab opens at 8:00."))
    assert model.invoke("When does the lab open?").content == "The lab opens at 8:00."
    assert ChatRagbot(memory=memory, as_of=before).invoke("When did the lab open?").content.startswith("The lab opens at 9:30.")


def test_citations_name_the_source_of_a_paper(memory):
    RagbotVectorStore(memory).add_documents([Paper(page_content="The lab opens at 9:30.", metadata={"source": "lab/hours.pdf"})])
    (cited,) = ChatRagbot(memory=memory).invoke("When does the lab open?").additional_kwargs["citations"]
    assert cited["where"] == "lab/hours.pdf"


# The bundled models


def documented():
    """The programs of docs/langchain.md, which go on with what the ones before made."""
    page = (Path(__file__).parent.parent / "docs" / "langchain.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


@pytest.mark.model
def test_the_whole_door_with_the_bundled_models(home, tmp_path, monkeypatch, capsys):
    with Memory.open(home) as memory:
        store = RagbotVectorStore(memory)
        hours = "The makerspace is open on Saturday from 10:00 to 16:30."
        store.add_texts(
            [hours, "PVC must not be cut in the laser cutter.", "Membership costs 40 euros a month."], ids=["1", "2", "3"]
        )
        (best, score), *others = store.similarity_search_with_relevance_scores("When can I come on Saturday?", k=3)
        assert best.id == "1" and 1 >= score > 0.4 > 0.2 > max(other for _, other in others)
        assert store.max_marginal_relevance_search("What does a membership cost?", k=1)[0].id == "3"
        answer = ChatRagbot(memory=memory).invoke("When is the makerspace open on Saturday?")
        assert "10:00 to 16:30" in answer.text and answer.additional_kwargs["citations"][0]["quote"] == hours
        assert RagbotRetriever(memory=memory, k=1).invoke("May I cut PVC?")[0].metadata["uri"] == "2"
    monkeypatch.chdir(tmp_path)
    names = {}
    for program in documented():
        exec(program, names)
    said = capsys.readouterr().out
    assert "The lab opens at 8:30. [{'start_index'" in said and "HumanMessage(content='When does the lab open?'" in said
    assert "lab.md" in said and said.endswith("384\n") and names["history"].messages == []
    names["memory"].close()
    names["store"].close()
