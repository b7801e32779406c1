// Keeps the open page up to date, says how long ago something was, and copies. The page works without it.
"use strict";
(() => {
  const main = document.getElementById("main");
  const said = document.getElementById("said");

  // How long ago, or how long until. The text of the server stays as a title.
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const span = (seconds) => {
    const at = units.findIndex(([, size]) => seconds >= size);
    if (at < 0) return "now";
    const [unit, size] = units[at];
    const rest = units[at + 1] && at < 2 ? Math.floor((seconds % size) / units[at + 1][1]) : 0;
    return Math.floor(seconds / size) + " " + unit + (rest ? " " + rest + " " + units[at + 1][0] : "");
  };
  const times = (within) => {
    for (const time of within.querySelectorAll("time[datetime]")) {
      if (!time.title) time.title = time.textContent;
      const away = Math.round((Date.now() - Date.parse(time.dateTime)) / 1000);
      let text = away >= 0 ? span(away) + (away < 1 ? "" : " ago") : "in " + span(-away);
      if ("since" in time.dataset) text = away < 1 ? "just now" : "for " + span(away);
      if ("clock" in time.dataset) text = new Date(time.dateTime).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      if (time.textContent !== text) time.textContent = text;
    }
  };
  const buttons = (within) => {
    for (const button of within.querySelectorAll("[data-copy]")) button.hidden = false;
  };
  const ready = (within) => { times(within); buttons(within); };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
      say("Copied");
    } catch {
      button.textContent = "Select it";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });

  const say = (text) => { if (said) said.textContent = text; };

  // What was focused or opened stays so when its part is exchanged.
  const exchange = (old, now) => {
    const held = old.contains(document.activeElement) ? document.activeElement : null;
    const same = held && (held.getAttribute("href") || held.dataset.copy);
    for (const open of old.querySelectorAll("details[data-key]")) {
      const next = now.querySelector('details[data-key="' + CSS.escape(open.dataset.key) + '"]');
      if (next) next.open = open.open;
    }
    old.replaceWith(now);
    ready(now.parentNode ? now : document);
    if (same) {
      for (const next of now.querySelectorAll("a[href],[data-copy]")) {
        if ((next.getAttribute("href") || next.dataset.copy) === same) { next.focus({ preventScroll: true }); break; }
      }
    }
  };
  const parts = (changed) => {
    const template = document.createElement("template");
    for (const [id, html] of Object.entries(changed)) {
      const old = document.querySelector('[data-part="' + CSS.escape(id) + '"]');
      template.innerHTML = html;
      const now = template.content.firstElementChild;
      if (!old || !now) { again(); return; }
      now.classList.add("fresh");
      exchange(old, now);
    }
    const headline = changed.headline && document.querySelector(".headline h1");
    if (headline) say(headline.textContent);
  };
  let loading = null;
  const again = () => {
    loading = loading || (async () => {
      try {
        const answer = await fetch(location.href, { headers: { accept: "text/html" } });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const now = page.getElementById("main");
        if (!answer.ok || !now) { location.reload(); return; }
        // A form that somebody fills in is left alone.
        for (const kept of main.querySelectorAll("[data-keep]")) {
          if (kept.contains(document.activeElement)) now.querySelector("[data-keep]")?.replaceWith(kept);
        }
        const focused = document.activeElement?.closest("#main a[href]")?.getAttribute("href");
        main.replaceChildren(...now.childNodes);
        main.dataset.picture = now.dataset.picture;
        for (const id of ["state", "trouble", "named"]) {
          const [old, next] = [document, page].map((of) => of.querySelector('[data-part="' + id + '"]'));
          if (old && next) old.replaceWith(next);
        }
        ready(document);
        if (focused) main.querySelector('a[href="' + CSS.escape(focused) + '"]')?.focus({ preventScroll: true });
      } catch { /* The connection is tried again anyway. */ }
      loading = null;
    })();
  };

  // A hidden page needs no connection: browsers have few for each host.
  let source = null;
  const lost = () => {
    const state = document.getElementById("state");
    if (!state) return;
    state.className = "state lost";
    state.querySelector(".word").textContent = "page not reached";
  };
  const follow = () => {
    if (source || !main || !main.dataset.live || document.hidden) return;
    const page = encodeURIComponent(main.dataset.live);
    source = new EventSource("/live?page=" + page + "&picture=" + encodeURIComponent(main.dataset.picture));
    let broken = false;
    source.onopen = () => { if (broken) { broken = false; again(); } };
    source.onerror = () => { broken = true; lost(); };
    source.onmessage = (event) => {
      const update = JSON.parse(event.data);
      if (update.parts) parts(update.parts); else again();
      if (update.gone && source) { source.close(); source = null; }
    };
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { source?.close(); source = null; } else { follow(); times(document); }
  });
  addEventListener("pagehide", () => { source?.close(); source = null; });
  addEventListener("pageshow", follow);

  // Arrow keys go through the grid.
  document.addEventListener("keydown", (event) => {
    const here = document.activeElement?.closest(".squares a, .tiles a");
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!here || !step || event.altKey || event.ctrlKey || event.metaKey) return;
    const all = [...main.querySelectorAll(".squares a, .tiles a")];
    all[all.indexOf(here) + step]?.focus();
    event.preventDefault();
  });

  // What is under the pointer in a grid of squares says its name.
  document.addEventListener("pointerover", (event) => {
    const square = event.target.closest?.(".squares a");
    if (square && !square.title) square.title = square.getAttribute("aria-label");
  });

  // Files that are dropped on a form of manifests.
  const area = document.getElementById("manifests");
  if (area) {
    area.addEventListener("dragover", (event) => { event.preventDefault(); area.classList.add("over"); });
    area.addEventListener("dragleave", () => area.classList.remove("over"));
    area.addEventListener("drop", async (event) => {
      const files = [...(event.dataTransfer?.files || [])];
      area.classList.remove("over");
      if (!files.length) return;
      event.preventDefault();
      area.value = (await Promise.all(files.map((file) => file.text()))).join("\n---\n");
    });
  }

  ready(document);
  setInterval(() => { if (!document.hidden) times(document); }, 5000);
  follow();
})();
