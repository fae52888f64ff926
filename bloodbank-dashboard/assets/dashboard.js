"use strict";
// What a page can do beside being read: keys, a search while one types, and parts that keep themselves up to date.
(() => {
  const find = (selector, within = document) => within.querySelector(selector);
  const isTyping = (target) => target.closest("input, textarea, select, [contenteditable]");

  // Fetches a page and puts its parts with these ids in place of those of this page.
  const away = find("#away");
  async function renew(address, ids, signal) {
    const answer = await fetch(address, { signal, headers: { accept: "text/html" }, redirect: "follow" });
    if (answer.redirected && answer.url.includes("/dashboard/sign-in")) return location.reload();
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const id of ids) {
      const [here, there] = [document.getElementById(id), page.getElementById(id)];
      if (here && there && !here.isEqualNode(there)) here.replaceWith(document.adoptNode(there));
    }
  }

  // A part with `data-refresh` is fetched again every so many seconds, while somebody sees it and selects nothing in it.
  for (const part of document.querySelectorAll("[data-refresh]")) {
    const isInUse = () => {
      const here = document.getElementById(part.id);
      const selection = getSelection();
      const isSelecting = selection && !selection.isCollapsed && here.contains(selection.anchorNode);
      return document.hidden || isSelecting || find("dialog[open]") || (here.contains(document.activeElement) && isTyping(document.activeElement));
    };
    const again = async () => {
      if (!isInUse()) {
        try {
          const focused = document.activeElement && document.activeElement.id;
          await renew(location.href, [part.id]);
          if (focused) document.getElementById(focused)?.focus();
          away.hidden = true;
        } catch {
          away.hidden = false;
        }
      }
      // What has come to its end says nothing of a next time.
      const next = document.getElementById(part.id)?.dataset.refresh;
      if (next) setTimeout(again, next * 1000);
    };
    setTimeout(again, part.dataset.refresh * 1000);
  }

  // A search replaces the results while one types.
  const search = find("form[data-search]");
  if (search) {
    let typing, running;
    search.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(async () => {
        running?.abort();
        running = new AbortController();
        const address = new URL(location.href);
        address.search = new URLSearchParams(new FormData(search)).toString();
        try {
          await renew(address, ["results"], running.signal);
          history.replaceState(null, "", address);
          away.hidden = true;
        } catch (error) {
          if (error.name !== "AbortError") away.hidden = false;
        }
      }, 150);
    });
  }

  // Live events come in batches; so many are shown, and what is left out is counted.
  const live = find("#live");
  if (live) {
    const MOST = 200;
    const [rows, state, lost, pause] = [find("#rows"), find("[data-state]", live), find("[data-dropped]", live), find("[data-pause]", live)];
    let [isPaused, isAway, waiting, dropped, stale] = [false, false, [], 0, 0];
    const cell = (name, text, title) => {
      const made = document.createElement(name);
      made.textContent = text;
      if (title) made.title = title;
      return made;
    };
    const draw = ({ id, type, time, source, text }) => {
      const row = document.createElement("tr");
      const [when, what, payload] = [cell("td", time.slice(11, 23), time), cell("th", ""), cell("td", "")];
      when.className = "time";
      what.scope = "row";
      payload.className = "preview";
      const key = cell("code", type);
      if (id && live.dataset.trace) {
        const link = cell("a", "");
        link.href = live.dataset.trace + id;
        link.append(key);
        what.append(link);
      } else what.append(key);
      payload.append(cell("code", text));
      row.append(when, what, cell("td", source), payload);
      return row;
    };
    const show = () => {
      if (!isPaused) {
        rows.prepend(...waiting.reverse().map(draw));
        waiting = [];
        while (rows.children.length > MOST) rows.lastChild.remove();
        find("#none")?.remove();
      }
      const going = isAway ? "The broker is away. Events come again by themselves." : "Events come by themselves.";
      state.textContent = isPaused ? `Paused. ${waiting.length + stale} new.` : going;
      state.classList.toggle("warn", isAway);
      lost.textContent = dropped ? `${dropped.toLocaleString("en")} were left out: too many at a time.` : "";
    };
    const connect = () => {
      const stream = new EventSource(live.dataset.stream);
      stream.addEventListener("open", () => { away.hidden = true; show(); });
      stream.addEventListener("message", (event) => {
        const batch = JSON.parse(event.data);
        dropped += batch.dropped;
        isAway = batch.away ?? isAway;
        waiting.push(...batch.rows);
        if (waiting.length > MOST) stale += waiting.splice(0, waiting.length - MOST).length;
        show();
      });
      stream.addEventListener("error", () => {
        away.hidden = false;
        // A browser does not try again where it was refused.
        if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
      });
      addEventListener("pagehide", () => stream.close(), { once: true });
    };
    pause.hidden = false;
    pause.addEventListener("click", () => {
      isPaused = !isPaused;
      pause.setAttribute("aria-pressed", isPaused);
      pause.textContent = isPaused ? "Go on" : "Pause";
      stale = 0;
      show();
    });
    connect();
  }

  // A graph is dragged, and zoomed with the wheel and Ctrl, or with the keys + and -.
  const graph = find("[data-graph]");
  if (graph) {
    const drawing = find("svg", graph);
    const [width, height] = [drawing.width.baseVal.value, drawing.height.baseVal.value];
    let scale = 1;
    const zoom = (factor, x = graph.clientWidth / 2, y = graph.clientHeight / 2) => {
      const next = Math.min(Math.max(scale * factor, 0.1), 3);
      const [left, top] = [(graph.scrollLeft + x) / scale, (graph.scrollTop + y) / scale];
      scale = next;
      drawing.setAttribute("width", width * scale);
      drawing.setAttribute("height", height * scale);
      graph.scrollTo(left * scale - x, top * scale - y);
    };
    graph.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const box = graph.getBoundingClientRect();
      zoom(Math.exp(-event.deltaY / 400), event.clientX - box.left, event.clientY - box.top);
    }, { passive: false });
    graph.addEventListener("keydown", (event) => {
      const factor = { "+": 1.25, "=": 1.25, "-": 0.8, 0: 1 / scale }[event.key];
      if (factor && !event.ctrlKey && !event.metaKey) { event.preventDefault(); zoom(factor); }
    });
    let from = null;
    graph.addEventListener("pointerdown", (event) => {
      if (event.button === 0 && event.pointerType === "mouse") from = { x: event.clientX + graph.scrollLeft, y: event.clientY + graph.scrollTop, moved: false };
    });
    addEventListener("pointermove", (event) => {
      if (!from) return;
      const [x, y] = [from.x - event.clientX, from.y - event.clientY];
      from.moved ||= Math.abs(x - graph.scrollLeft) + Math.abs(y - graph.scrollTop) > 4;
      if (from.moved) graph.scrollTo(x, y);
    });
    addEventListener("pointerup", () => { setTimeout(() => { from = null; }); });
    graph.addEventListener("click", (event) => { if (from?.moved) event.preventDefault(); }, true);
    graph.addEventListener("dragstart", (event) => event.preventDefault());
    // The event that was asked for is in sight.
    find("[aria-current] rect", graph)?.scrollIntoView({ block: "nearest", inline: "center" });
    scrollTo(0, 0);
  }

  // What is wrong with a form is said while one types.
  const form = find("form[data-check]");
  if (form) {
    let typing, running;
    // Before the form is sent, nobody wants to be told what they have not come to yet.
    const touched = new Set();
    const wasSent = find("#faults").children.length > 0;
    const check = async () => {
      running?.abort();
      running = new AbortController();
      const body = new URLSearchParams(new FormData(form));
      body.set("check", "yes");
      try {
        const answer = await fetch(form.action, { method: "POST", body, signal: running.signal });
        if (![200, 422].includes(answer.status)) return;
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const place of document.querySelectorAll("[data-fault]")) {
          const control = document.getElementById(place.id.replace(/^e/, "f"));
          const there = page.getElementById(place.id);
          if (!there || !(wasSent || touched.has(control?.id))) continue;
          const isWrong = there.children.length > 0;
          if (!there.isEqualNode(place)) place.replaceWith(document.adoptNode(there));
          if (isWrong) control?.setAttribute("aria-invalid", "true");
          else control?.removeAttribute("aria-invalid");
        }
        away.hidden = true;
      } catch (error) {
        if (error.name !== "AbortError") away.hidden = false;
      }
    };
    form.addEventListener("input", (event) => {
      touched.add(event.target.id);
      clearTimeout(typing);
      typing = setTimeout(check, 250);
    });
    form.addEventListener("change", (event) => {
      if (event.target.matches("[data-choose]")) form.requestSubmit(find("button[name=choose]", event.target.parentElement));
    });
  }

  // Keys.
  const keys = find("#keys");
  let isGoing = false;
  const move = (step) => {
    const links = [...document.querySelectorAll("main tbody tr a:first-of-type")];
    if (!links.length) return;
    const at = links.indexOf(document.activeElement);
    links[Math.min(Math.max(at + step, 0), links.length - 1)].focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (isGoing) {
      isGoing = false;
      const link = find(`nav.main a[data-key="${CSS.escape(event.key)}"]`);
      if (link) {
        event.preventDefault();
        link.click();
      }
      return;
    }
    const action = {
      "/": () => find("#search")?.focus(),
      g: () => { isGoing = true; setTimeout(() => { isGoing = false; }, 1500); },
      j: () => move(1),
      k: () => move(-1),
      "?": () => keys?.showModal(),
    }[event.key];
    if (action) {
      event.preventDefault();
      action();
    }
  });
})();
