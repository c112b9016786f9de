// What a page cannot do by itself: Enter sends, the drawer opens and closes by keyboard, times are local, files can be dropped.
(() => {
  const byId = (id) => document.getElementById(id);
  const quiet = matchMedia("(prefers-reduced-motion: reduce)");
  let opener = null;
  let sent = "";

  const localTimes = (root) => {
    const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
    for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
      time.title = time.textContent;
      time.textContent = format.format(new Date(time.dateTime));
    }
  };

  const say = (text) => { if (byId("status")) byId("status").textContent = text; };
  const toEnd = () => window.scrollTo({ top: document.body.scrollHeight, behavior: quiet.matches ? "auto" : "smooth" });

  // The drawer

  const closeDrawer = () => {
    const drawer = byId("drawer");
    if (!drawer || !drawer.firstElementChild) return;
    drawer.replaceChildren();
    if (opener && opener.isConnected) opener.focus();
  };

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-close]")) closeDrawer();
    const link = event.target.closest("[hx-target='#drawer']");
    if (link && !link.closest("#drawer")) opener = link;
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeDrawer();
    const box = event.target;
    if (box.id === "message" && event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (box.value.trim()) box.form.requestSubmit();
    }
  });

  // The conversation

  const ask = byId("ask");
  const message = byId("message");

  if (ask) {
    ask.addEventListener("htmx:before:request", (event) => {
      if (event.target !== ask) return;
      sent = message.value;
      message.value = "";
      say(message.dataset.asking);
      document.querySelector(".hint")?.remove();
      document.querySelector("h1.hello")?.classList.add("hidden");
    });
    ask.addEventListener("answered", (event) => {
      byId("draft").replaceChildren();
      say("");
      sent = "";
      history.replaceState(null, "", event.detail.data);
      document.querySelector("main .more").hidden = false;
      htmx.ajax("GET", `/conversations?model=${encodeURIComponent(ask.elements.model.value)}`, { target: "#found" });
      message.focus({ preventScroll: true });
    });
    const broken = () => {
      if (!sent) return;
      message.value = message.value || sent;
      say(message.dataset.failed);
      byId("draft").querySelector(".waiting")?.remove();
      sent = "";
    };
    for (const name of ["failed", "htmx:error", "htmx:response:error", "htmx:sse:error", "htmx:sse:close"]) ask.addEventListener(name, broken);
    if (location.hash) document.querySelector(location.hash)?.scrollIntoView();
    else if (document.querySelector(".turn")) window.scrollTo({ top: document.body.scrollHeight });
  }

  const watch = (id, changed) => byId(id) && new MutationObserver(changed).observe(byId(id), { childList: true });

  watch("drawer", () => {
    byId("drawer").scrollTop = 0;
    byId("drawer-heading")?.focus();
  });
  for (const id of ["draft", "log"]) watch(id, () => { if (ask.contains(document.activeElement)) toEnd(); });
  document.addEventListener("htmx:after:swap", () => localTimes(document));

  // A picture that cannot be drawn gives way to the text.
  document.addEventListener("error", (event) => {
    if (event.target.matches?.("img[data-else]")) {
      const drawer = event.target.closest(".drawer, main");
      event.target.closest(".picture").remove();
      drawer.querySelector("details.text").open = true;
    }
  }, true);

  // What erases asks first.
  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.confirm;
    if (question && !confirm(question)) event.preventDefault();
  }, true);

  // Files: one request each, one after the other, so that each tells how far it is.

  const upload = byId("upload");

  const entries = async (entry, path = "") => {
    if (entry.isFile) {
      const file = await new Promise((done, failed) => entry.file(done, failed));
      return [new File([file], path + file.name, { type: file.type })];
    }
    const reader = entry.createReader();
    const found = [];
    for (;;) {
      const some = await new Promise((done, failed) => reader.readEntries(done, failed));
      if (!some.length) return found;
      for (const one of some) found.push(...await entries(one, `${path}${entry.name}/`));
    }
  };

  const send = async (files) => {
    const list = byId("uploads");
    for (const file of files) {
      const row = list.appendChild(document.createElement("li"));
      row.textContent = `${file.name} …`;
      const body = new FormData(upload);
      body.delete("file");
      body.set("file", file, file.name);
      try {
        const response = await fetch(upload.action, { method: "POST", body, headers: { "hx-request": "true", accept: "text/event-stream" } });
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let text = ""; ;) {
          const { done, value } = await reader.read();
          if (done) break;
          text += value;
          const lines = text.split("\n\n");
          text = lines.pop();
          for (const one of lines) {
            const html = one.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
            const made = new DOMParser().parseFromString(html, "text/html").querySelector("li");
            if (made) row.replaceChildren(...made.childNodes);
          }
        }
      } catch {
        row.textContent = `${file.name}: ${upload.dataset.failed}`;
      }
    }
    htmx.ajax("GET", "/sources", { target: "#documents" });
  };

  if (upload) {
    upload.addEventListener("submit", (event) => {
      event.preventDefault();
      const input = upload.elements.file;
      send([...input.files]);
      input.value = "";
    });
    for (const name of ["dragover", "dragleave", "drop"]) {
      upload.addEventListener(name, async (event) => {
        event.preventDefault();
        upload.classList.toggle("over", name === "dragover");
        if (name !== "drop") return;
        const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
        const found = items.map((item) => [item.webkitGetAsEntry(), item.getAsFile()]);  // gone after the first await
        send((await Promise.all(found.map(([entry, file]) => (entry ? entries(entry) : [file])))).flat());
      });
    }
  }

  const side = document.querySelector(".side details");
  if (side && !matchMedia("(min-width: 62rem)").matches) side.open = false;
  localTimes(document);
})();
