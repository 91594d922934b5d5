// The pages work without this file. With it they are live, remember how they should look, and say times as people do.
"use strict";

(() => {
  const root = document.documentElement;

  // Look: light, dark, or as the system says. Applied before the page is painted.
  const remembered = () => {
    try { return localStorage.getItem("nines.look") || "auto"; } catch { return "auto"; }
  };
  const applyLook = (look) => {
    if (look === "light" || look === "dark") root.dataset.look = look;
    else delete root.dataset.look;
    for (const button of document.querySelectorAll("[data-look]")) {
      if (button.tagName === "BUTTON") button.setAttribute("aria-pressed", String(button.dataset.look === look));
    }
  };
  applyLook(remembered());

  const startLook = () => {
    const look = document.getElementById("look");
    if (!look) return;
    look.hidden = false;
    applyLook(remembered());
    look.addEventListener("click", (event) => {
      const chosen = event.target.dataset && event.target.dataset.look;
      if (!chosen) return;
      try { localStorage.setItem("nines.look", chosen); } catch { /* only this page then */ }
      applyLook(chosen);
    });
  };

  // Menus close as people expect.
  const startMenus = () => {
    const close = (outside) => {
      for (const menu of document.querySelectorAll("details.menu[open]")) {
        if (!outside || !menu.contains(outside)) menu.open = false;
      }
    };
    document.addEventListener("click", (event) => close(event.target));
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      const menu = document.querySelector("details.menu[open]");
      if (!menu) return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  };

  // Times: the same words as the server writes (agoText and spanText in format.go).
  const nbsp = "\u00a0";
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const spanText = (seconds) => {
    seconds = Math.floor(Math.abs(seconds));
    if (seconds < 1) return `under${nbsp}1${nbsp}s`;
    for (let i = 0; i < units.length; i++) {
      const [unit, name] = units[i];
      if (seconds < unit) continue;
      let text = `${Math.floor(seconds / unit)}${nbsp}${name}`;
      if (i + 1 < units.length && seconds < 10 * unit) {
        const rest = Math.floor((seconds % unit) / units[i + 1][0]);
        if (rest > 0) text += ` ${rest}${nbsp}${units[i + 1][1]}`;
      }
      return text;
    }
    return "";
  };
  const agoText = (seconds) => {
    if (seconds < -1) return "in " + spanText(seconds);
    return seconds < 5 ? "just now" : spanText(seconds) + " ago";
  };
  // The server's clock counts, not the device's: the page says when it was rendered.
  let clockOffset = 0;
  const readClock = (main) => {
    const rendered = Date.parse(main.dataset.rendered);
    if (!Number.isNaN(rendered)) clockOffset = rendered - Date.now();
  };
  const tellTimes = () => {
    const now = Date.now() + clockOffset;
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const text = agoText((now - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== text) time.textContent = text;
    }
  };

  // Live: on an event the page asks for itself again and swaps the regions that differ.
  const fetchMain = async () => {
    const answer = await fetch(location.href, { headers: { "X-Nines-Fragment": "1" }, credentials: "same-origin", cache: "no-store" });
    if (answer.status === 401) { location.reload(); return null; }
    if (!answer.ok) return null;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return page.getElementById("main");
  };
  const isBusy = (region) => {
    const active = document.activeElement;
    return active && region.contains(active) && active.matches("input, textarea, select");
  };
  const swapRegion = (old, fresh) => {
    if (isBusy(old) || old.isEqualNode(fresh)) return;
    const open = [...old.querySelectorAll("details[open][id]")].map((d) => d.id);
    const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
    for (const id of open) {
      const details = fresh.querySelector(`#${CSS.escape(id)}`);
      if (details) details.open = true;
    }
    old.replaceWith(fresh);
    fresh.classList.add("fresh");
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  };
  const isWriting = () => [...document.querySelectorAll("textarea:not([readonly]), input[name=reason]")].some((field) => field.value !== "");
  const swapMain = (fresh) => {
    const main = document.getElementById("main");
    if (main.dataset.build !== fresh.dataset.build && !isWriting()) { location.reload(); return; } // a new version was started
    const regions = (of) => [...of.querySelectorAll("[data-region]")];
    const names = (of) => regions(of).map((r) => r.dataset.region).join(" ");
    if (names(main) !== names(fresh)) {
      if (!isBusy(main)) main.replaceWith(fresh);
    } else {
      const next = new Map(regions(fresh).map((r) => [r.dataset.region, r]));
      for (const region of regions(main)) swapRegion(region, next.get(region.dataset.region));
      main.dataset.rendered = fresh.dataset.rendered;
      main.dataset.title = fresh.dataset.title;
    }
    document.title = fresh.dataset.title || document.title;
    readClock(fresh);
    tellTimes();
  };

  let refreshing = false, again = false, timer = 0;
  const refresh = async () => {
    if (refreshing) { again = true; return; }
    refreshing = true;
    try {
      const fresh = await fetchMain();
      if (fresh) swapMain(fresh);
    } catch { /* the indicator says that the connection is away */ } finally {
      refreshing = false;
      if (again) { again = false; refreshSoon(); }
    }
  };
  // Events come in bursts; one look a moment later shows them all.
  const refreshSoon = () => {
    clearTimeout(timer);
    timer = setTimeout(refresh, 150);
  };

  const startLive = () => {
    const main = document.getElementById("main");
    const light = document.getElementById("live");
    const topics = (main.dataset.topics || "").split(" ").filter(Boolean);
    if (!light || topics.length === 0) return;
    const words = { live: "Live", reconnecting: "Reconnecting…" };
    const show = (state) => {
      if (light.dataset.state === state) return;
      light.dataset.state = state;
      light.querySelector(".live-word").textContent = words[state];
    };
    let source = null, wait = 1000, retry = 0, wasLive = false;
    const onChange = (event) => {
      let change = {};
      try { change = JSON.parse(event.data); } catch { /* a change of something */ }
      const topic = change?.topic || event.type; // resync: changes were missed, so everything is read anew
      if (topic === "message" || topic === "resync" || topics.includes(topic)) refreshSoon();
    };
    const connect = () => {
      clearTimeout(retry);
      if (source) source.close();
      source = new EventSource("/api/v1/events");
      source.onopen = () => {
        wait = 1000;
        show("live");
        if (wasLive) refreshSoon(); // something may have happened meanwhile
        wasLive = true;
      };
      source.onmessage = onChange;
      for (const name of [...topics, "resync", "change"]) source.addEventListener(name, onChange);
      source.onerror = () => {
        show("reconnecting");
        if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
        retry = setTimeout(connect, wait + Math.random() * 500);
        wait = Math.min(wait * 2, 30000);
      };
    };
    connect();
    // A phone that wakes up looks at once, and ages and burn rates move without any event.
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState !== "visible") return;
      refreshSoon();
      if (!source || source.readyState === EventSource.CLOSED) connect();
    });
    setInterval(() => { if (document.visibilityState === "visible") refresh(); }, 60000);
    addEventListener("pagehide", () => source && source.close());
    addEventListener("pageshow", (event) => { if (event.persisted) { connect(); refreshSoon(); } });
  };

  // Plots: pointing at one reads its values.
  const svgNS = "http://www.w3.org/2000/svg";
  const pointsOf = (svg) => svg.ninesPoints ||= svg.dataset.points.split(";").filter(Boolean).map((text) => {
    const [x, y, time, value] = text.split("|");
    return { x: Number(x), y: Number(y), time, value };
  });
  const element = (svg, name, className) => {
    let found = svg.querySelector("." + className);
    if (!found) {
      found = document.createElementNS(svgNS, name);
      found.setAttribute("class", className);
      svg.append(found);
    }
    return found;
  };
  const readAt = (svg, clientX) => {
    const points = pointsOf(svg);
    if (points.length === 0) return;
    const box = svg.getBoundingClientRect();
    const x = (clientX - box.left) * svg.viewBox.baseVal.width / box.width;
    const near = points.reduce((best, p) => Math.abs(p.x - x) < Math.abs(best.x - x) ? p : best);
    const hair = element(svg, "line", "hair");
    for (const [name, value] of Object.entries({ x1: near.x, x2: near.x, y1: svg.dataset.top, y2: svg.dataset.bottom })) hair.setAttribute(name, value);
    const dot = element(svg, "circle", "hair-dot");
    for (const [name, value] of Object.entries({ cx: near.x, cy: near.y, r: 3.5 })) dot.setAttribute(name, value);
    const reading = svg.closest("figure")?.querySelector(".reading");
    if (reading) reading.textContent = `${near.value} · ${near.time} UTC`;
  };
  const forget = (svg) => {
    svg.querySelectorAll(".hair, .hair-dot").forEach((e) => e.remove());
    const reading = svg.closest("figure")?.querySelector(".reading");
    if (reading) reading.textContent = "";
  };
  const startPlots = () => {
    const plotOf = (event) => event.target.closest && event.target.closest("svg[data-plot]");
    document.addEventListener("pointermove", (event) => { const svg = plotOf(event); if (svg) readAt(svg, event.clientX); });
    document.addEventListener("pointerout", (event) => {
      const svg = plotOf(event);
      if (svg && !svg.contains(event.relatedTarget)) forget(svg);
    });
  };

  // Small things: one press sends a form once; copy; print; a choice that shows itself.
  const startForms = () => {
    document.addEventListener("submit", (event) => {
      const form = event.target;
      if (form.method !== "post") return;
      if (form.dataset.sent) { event.preventDefault(); return; }
      form.dataset.sent = "1";
      form.querySelectorAll("button").forEach((b) => b.setAttribute("aria-busy", "true"));
    });
    addEventListener("pageshow", () => {
      for (const form of document.querySelectorAll("form[data-sent]")) {
        delete form.dataset.sent;
        form.querySelectorAll("button").forEach((b) => b.removeAttribute("aria-busy"));
      }
    });
  };
  const startTools = () => {
    for (const button of document.querySelectorAll("[data-copy], [data-print]")) button.hidden = false;
    document.addEventListener("click", async (event) => {
      const button = event.target.closest && event.target.closest("[data-copy], [data-print], [data-retry]");
      if (!button) return;
      if ("print" in button.dataset) { print(); return; }
      if ("retry" in button.dataset) { event.preventDefault(); location.reload(); return; }
      const field = document.querySelector(button.dataset.copy);
      const label = button.textContent;
      try {
        await navigator.clipboard.writeText(field.value);
      } catch {
        if (field.closest("details")) field.closest("details").open = true; // no clipboard over plain http: select it for the keyboard
        field.select();
        document.execCommand("copy");
      }
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = label; }, 2000);
    });
  };

  document.addEventListener("DOMContentLoaded", () => {
    readClock(document.getElementById("main"));
    startLook();
    startMenus();
    startPlots();
    startForms();
    startTools();
    startLive();
    tellTimes();
    setInterval(tellTimes, 10000);
  });
})();
