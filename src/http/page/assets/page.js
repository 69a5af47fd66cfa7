// Updates the page: fetches it again and changes the parts that differ, so that focus, selection and opened details stay.
// Without it the page shows the numbers of the moment of loading.
'use strict';

const EVERY_MS = 2000;
const TIMEOUT_MS = 8000;

const note = document.getElementById('live');
const label = document.createElement('span');
const button = document.createElement('button');
let paused = false;
let newest = new Date();
let timer;

function showState(state, text) {
  note.dataset.state = state;
  if (label.textContent !== text) label.textContent = text;
}

function update(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
    old.replaceWith(fresh.cloneNode(true));
    return;
  }
  for (const { name } of [...old.attributes]) if (name !== 'open' && !fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  // A part with an id keeps its element where it moves.
  const find = (parent, id) => id && [...parent.children].find((one) => one.id === id);
  fresh.childNodes.forEach((child, place) => {
    const kept = find(old, child.id);
    const there = old.childNodes[place] ?? null;
    if (kept) {
      if (kept !== there) old.insertBefore(kept, there);
      update(kept, child);
    } else if (there && !find(fresh, there.id)) {
      update(there, child);
    } else {
      old.insertBefore(child.cloneNode(true), there);
    }
  });
  while (old.childNodes.length > fresh.childNodes.length) old.lastChild.remove();
}

async function refresh() {
  try {
    const answer = await fetch('./', { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    for (const part of document.querySelectorAll('[data-live]')) update(part, page.getElementById(part.id));
    document.title = page.title;
    newest = new Date();
    if (!paused) showState('on', 'Live');
  } catch {
    showState('lost', `No answer since ${newest.toLocaleTimeString()}`);
  }
}

async function run() {
  clearTimeout(timer);
  if (paused) return;
  if (!document.hidden) await refresh();
  clearTimeout(timer);
  if (!paused) timer = setTimeout(run, EVERY_MS);
}

// A live region: a screen reader reads each change once.
label.setAttribute('role', 'status');
button.type = 'button';
button.textContent = 'Pause';
button.addEventListener('click', () => {
  paused = !paused;
  button.textContent = paused ? 'Resume' : 'Pause';
  if (paused) showState('off', 'Paused');
  run();
});
document.addEventListener('visibilitychange', () => { if (!document.hidden) run(); });
showState('on', 'Live');
note.append(label, button);
timer = setTimeout(run, EVERY_MS);
