// Updates the numbers: fetches the page again and replaces the changed parts. Without it the page shows the numbers of the
// moment of loading.
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

function replaceChanged(page) {
  for (const part of document.querySelectorAll('[data-live]')) {
    const fresh = page.getElementById(part.id);
    if (!fresh) continue;
    if (part.dataset.state !== fresh.dataset.state) part.dataset.state = fresh.dataset.state;
    if (part.innerHTML !== fresh.innerHTML) part.replaceChildren(...fresh.childNodes);
  }
  document.title = page.title;
}

async function refresh() {
  try {
    const answer = await fetch('./', { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    replaceChanged(new DOMParser().parseFromString(await answer.text(), 'text/html'));
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
