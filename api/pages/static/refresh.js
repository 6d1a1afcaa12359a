// While a request is undecided: ask for the page again and put its content in place, if it has changed.
const EVERY_MS = 4000;

async function refresh() {
  if (document.hidden) return true;
  const answer = await fetch(location.href, { redirect: "manual", headers: { Accept: "text/html" } });
  if (answer.type === "opaqueredirect") {
    location.reload(); // the session has ended: the server shows the way
    return false;
  }
  if (!answer.ok) return true;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const now = document.getElementById("content");
  const then = fresh.getElementById("content");
  if (then && then.innerHTML !== now.innerHTML) {
    const focused = document.activeElement && document.activeElement.getAttribute("aria-label");
    now.replaceChildren(...then.childNodes);
    if (focused) now.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }
  return document.getElementById("state")?.dataset.undecided === "yes";
}

async function keepFresh() {
  let more = true;
  try {
    more = await refresh();
  } catch {
    // the network or the server is away: the next attempt may find it again
  }
  if (more) setTimeout(keepFresh, EVERY_MS);
}

setTimeout(keepFresh, EVERY_MS);
