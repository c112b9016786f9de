"""A server on the loopback interface that speaks the streaming protocols of Ollama, OpenAI and Anthropic."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Thought(str):
    """Reasoning, in the form that the protocol has for it."""


class Fails:
    """An error that comes inside the stream."""


class ChatServer:
    """Answers each request with the next of `replies`; the last one again and again.

    A reply is an HTTP status, (status, reason), or a list of steps: a piece of text, a Thought, Fails, or an Event to wait for.
    """

    def __init__(self):
        self.replies, self.asked = [], []
        """`asked`: (path, headers with names in lower case, body) of each request, in order."""
        self.stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self):
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def steps(self, reply):
        """The steps of a reply, each when its time has come."""
        for step in reply:
            if not isinstance(step, threading.Event):
                yield step
            while isinstance(step, threading.Event) and not (step.wait(0.01) or self.stopping.is_set()):
                pass

    def lines(self, path, reply):
        """The status and the body of an answer, line by line."""
        protocol = {"/api/chat": ollama, "/v1/chat/completions": openai, "/v1/messages": anthropic}[path]
        if isinstance(reply, list):
            return 200, protocol(self.steps(reply))
        status, reason = reply if isinstance(reply, tuple) else (reply, "not today")
        return status, [json.dumps({"error": reason if protocol is ollama else {"type": "refused", "message": reason}})]

    def _handler(server):  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                reply = server.replies.pop(0) if len(server.replies) > 1 else server.replies[0]
                status, lines = server.lines(self.path, reply)
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "text/event-stream" if status == 200 else "application/json")
                    self.end_headers()
                    for line in lines:
                        self.wfile.write(line.encode())
                        self.wfile.flush()
                except OSError:  # the other side has had enough
                    self.close_connection = True

            def log_message(self, *_):
                pass

        return Handler


def ollama(steps):
    start = {"model": "m", "created_at": "2026-01-01T00:00:00Z"}
    for step in steps:
        if isinstance(step, Fails):
            yield json.dumps({"error": "overloaded"}) + "\n"
            return
        message = {"content": "", "thinking": step} if isinstance(step, Thought) else {"content": step}
        yield json.dumps(start | {"message": {"role": "assistant"} | message, "done": False}) + "\n"
    yield json.dumps(start | {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}) + "\n"


def openai(steps):
    def event(delta, reason=None):
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
        return f"data: {json.dumps(chunk)}\n\n"

    yield event({"role": "assistant", "content": ""})
    for step in steps:
        if isinstance(step, Fails):
            yield f"data: {json.dumps({'error': {'type': 'server_error', 'message': 'overloaded'}})}\n\n"
            return
        yield event({"reasoning_content": step} if isinstance(step, Thought) else {"content": step})
    yield event({}, "stop")
    yield "data: [DONE]\n\n"


def anthropic(steps):
    def event(kind, **fields):
        return f"event: {kind}\ndata: {json.dumps({'type': kind} | fields)}\n\n"

    message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
    yield event("message_start", message=message | {"stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}})
    for index, step in enumerate(steps):
        if isinstance(step, Fails):
            yield event("error", error={"type": "overloaded_error", "message": "overloaded"})
            return
        kind, field = ("thinking", "thinking") if isinstance(step, Thought) else ("text", "text")
        yield event("content_block_start", index=index, content_block={"type": kind, field: ""})
        yield event("content_block_delta", index=index, delta={"type": f"{kind}_delta", field: step})
        yield event("content_block_stop", index=index)
    yield event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 9})
    yield event("message_stop")
