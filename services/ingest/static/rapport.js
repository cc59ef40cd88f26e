// Rapport in a page: at most 2,048 bytes as gzip
(() => {
  const safely = (call) => (...args) => {
    try { return call(...args); } catch (e) { /* never into the page */ }
  };
  safely(() => {
    const { src, dataset: options } = document.currentScript;
    const api = window.rapport = window.rapport || []; // the stub goes on working
    if (api.track) return;
    const url = new URL("/v1/b", new URL(options.host || "", src)).href;
    const refused = navigator.doNotTrack === "1" || navigator.globalPrivacyControl;

    // In localStorage; in memory where that throws, and before consent
    const memory = {};
    const get = (name) => safely(() => localStorage.getItem("rapport." + name))() || memory[name];
    const set = safely((name, value) => {
      memory[name] = value;
      if (!value) localStorage.removeItem("rapport." + name);
      else if (name === "consent" || choice() === "yes") {
        localStorage.setItem("rapport." + name, value);
        delete memory[name];
      }
    });
    const choice = () => refused ? "no" : get("consent") || (options.consent === "required" ? "" : "yes");
    const id = () => crypto.randomUUID ? crypto.randomUUID() : crypto.getRandomValues(new Uint32Array(4)).join("-");

    let queue = [], timer, busy, current, referrer = document.referrer;
    const page = () => ({
      url: location.href, path: location.pathname, title: document.title, referrer, search: location.search,
    });
    const record = (type, fields) => {
      if (choice() === "no") return;
      if (!get("anonymous")) set("anonymous", id());
      const json = JSON.stringify(Object.assign({
        type, messageId: id(), anonymousId: get("anonymous"), userId: get("user"), timestamp: new Date(),
        context: {
          page: page(), locale: navigator.language, timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
          library: { name: "rapport.js", version: "1" },
        },
      }, fields));
      queue = queue.concat({ json, tries: 0 }).slice(-500);
      if (queue.length > 19) flush();
      else timer = timer || setTimeout(flush, 300);
    };

    // Batches go one after the other; a failed one is tried three times more
    const flush = safely((leaving) => {
      timer = clearTimeout(timer);
      if (choice() === "no") queue = [];
      if ((busy && !leaving) || !queue[0] || !choice()) return;
      let size = 0; // browsers keep 64 KiB alive; a character has up to 3 bytes
      const batch = queue.filter((one, n) => (size += one.json.length) < 2e4 && n < 20 || !n);
      queue = queue.slice(batch.length);
      const body = JSON.stringify({
        batch: batch.map((one) => JSON.parse(one.json)), sentAt: new Date(), writeKey: options.writeKey,
      });
      if (leaving && navigator.sendBeacon && navigator.sendBeacon(url, body)) return flush(leaving);
      busy = true;
      const goOn = (pause) => setTimeout(() => { busy = false; flush(); }, pause);
      const retry = (seconds) => {
        goOn(Math.max(seconds * 1e3 || 0, 1e3 * 4 ** batch[0].tries));
        queue = batch.filter((one) => one.tries++ < 3).concat(queue).slice(-500);
      };
      new Promise((sent) => sent(fetch(url, { method: "POST", body, keepalive: body.length < 21e3 }))).then(
        ({ status, headers }) => status === 429 || status > 499 ? retry(headers.get("Retry-After")) : goOn(), retry);
    });

    const calls = {
      page: (name, properties) => record("page", { name, properties: Object.assign(page(), properties) }),
      track: (event, properties) => record("track", { event, properties }),
      identify(userId, traits) {
        if (userId) {
          if (get("user") && get("user") != userId) calls.reset(); // somebody else
          set("user", userId);
        }
        record("identify", { traits });
      },
      consent(given) {
        if (refused) return;
        if (!given) calls.reset();
        set("consent", given ? "yes" : "no");
        for (const name in memory) set(name, memory[name]);
        flush();
      },
      reset() { set("user"); set("anonymous"); },
      push: (...all) => all.forEach(([name, ...args]) => api[name](...args)),
    };
    for (const name in calls) api[name] = safely(calls[name]);
    api.splice(0).forEach((call) => api.push(call));

    addEventListener("pagehide", flush);
    addEventListener("visibilitychange", () => document.hidden && flush(true));
    if (options.page === "off") return;
    const view = () => {
      const found = location.href.split("#")[0];
      if (found === current) return;
      referrer = current || referrer;
      current = found;
      api.page();
    };
    const push = history.pushState;
    history.pushState = (...args) => {
      push.apply(history, args);
      setTimeout(view); // with its new title
    };
    addEventListener("popstate", () => setTimeout(view));
    if (document.readyState === "loading") addEventListener("DOMContentLoaded", view);
    else view();
  })();
})();
