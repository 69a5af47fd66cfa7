// Keeps the numbers new: asks for the page again and takes over the parts that have changed. Without it the page shows the
// numbers of the moment it was loaded.
'use strict';

const EVERY_MS = 2000;
const TIMEOUT_MS = 8000;

const note = document.getElementById('live');
const words = document.createElement('span');
const button = document.createElement('button');
let paused = false;
let newest = new Date();
let timer;

function say(state, text) {
  note.dataset.state = state;
  if (words.textContent !== text) words.textContent = text;
}

function takeOver(page) {
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
    takeOver(new DOMParser().parseFromString(await answer.text(), 'text/html'));
    newest = new Date();
    if (!paused) say('on', 'Live');
  } catch {
    say('lost', `No answer since ${newest.toLocaleTimeString()}`);
  }
}

async function run() {
  clearTimeout(timer);
  if (paused) return;
  if (!document.hidden) await refresh();
  clearTimeout(timer);
  if (!paused) timer = setTimeout(run, EVERY_MS);
}

// Told once when it changes.
words.setAttribute('role', 'status');
button.type = 'button';
button.textContent = 'Pause';
button.addEventListener('click', () => {
  paused = !paused;
  button.textContent = paused ? 'Resume' : 'Pause';
  if (paused) say('off', 'Paused');
  run();
});
document.addEventListener('visibilitychange', () => { if (!document.hidden) run(); });
say('on', 'Live');
note.append(words, button);
timer = setTimeout(run, EVERY_MS);
