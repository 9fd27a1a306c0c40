// Elements from text: whatever comes from the daemon becomes text nodes and never markup.

/** An element: `on…` properties are listeners, `class` and the rest attributes; children are
 *  elements or texts, nested as they come. null, false and undefined are left out. */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled") made[name] = value;
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  return made;
}

/** Puts children in the place of what is there. */
export function fill(place, ...children) {
  place.replaceChildren(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  return place;
}

/** A span of time as people say it. */
export function span(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${(s / 3600).toFixed(1)} h`;
  return `${Math.round(s / 86400)} d`;
}

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (count >= 1000 && at < units.length - 1) { count /= 1000; at += 1; }
  return `${count.toFixed(at && count < 10 ? 1 : 0)} ${units[at]}`;
}

export const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false });
export const moment = (ms) => new Date(ms).toLocaleString([], { hour12: false });
export const short = (commit) => (commit ? commit.slice(0, 12) : "–");

/** At most one call in `ms`, and always the last one. */
export function calmed(ms, act) {
  let timer = null, again = false;
  return function calm() {
    if (timer !== null) { again = true; return; }
    act();
    timer = setTimeout(() => { timer = null; if (again) { again = false; calm(); } }, ms);
  };
}

export function toast(text, bad = false) {
  const place = document.getElementById("toast");
  place.textContent = text;
  place.className = bad ? "shown bad" : "shown";
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { place.className = ""; }, 6000);
}

/** Asks before something is done. Resolves to the note (which may be empty), or null. */
export function confirmed(title, text, { note = "", yes = "Yes", danger = false } = {}) {
  return new Promise((resolve) => {
    const words = note ? el("textarea", { rows: 3, "aria-label": note, placeholder: note, maxlength: 20000 }) : null;
    const box = el("dialog", { "aria-label": title, class: "ask" },
      el("form", { method: "dialog" },
        el("h2", {}, title), el("p", {}, text), words,
        el("div", { class: "row end" },
          el("button", { value: "no", class: "plain" }, "No"),
          el("button", { value: "yes", class: danger ? "danger" : "primary" }, yes))));
    box.addEventListener("close", () => {
      resolve(box.returnValue === "yes" ? (words ? words.value : "") : null);
      box.remove();
    });
    document.body.append(box);
    box.showModal();
    (words ?? box.querySelector("button[value=no]")).focus();
  });
}
