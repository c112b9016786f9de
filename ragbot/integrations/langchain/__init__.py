"""The LangChain door: a vector store, a retriever, embeddings, a message history and a chat model over a memory.

from ragbot.integrations.langchain import RagbotVectorStore
"""

from ragbot.integrations.langchain.chat_model import ChatRagbot
from ragbot.integrations.langchain.embeddings import RagbotEmbeddings
from ragbot.integrations.langchain.history import RagbotChatMessageHistory
from ragbot.integrations.langchain.retriever import RagbotRetriever
from ragbot.integrations.langchain.vector_store import RagbotVectorStore

__all__ = ["ChatRagbot", "RagbotChatMessageHistory", "RagbotEmbeddings", "RagbotRetriever", "RagbotVectorStore"]
