// Checks the service's page in a headless Chromium.
//
// Usage, in a folder with playwright-core and axe-core: node --input-type=module --eval "$(cat look.mjs)" CHECK BASE [MORE…]
// Pictures for a review by eye go to `screenshots` beside the folder. Prints the lines for which the Rust test waits; ends with 0 if the check holds, else with the failed assertion.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1280, height: 900 };
const screenshots = '../screenshots';
const AXE = readFileSync(createRequire(`${process.cwd()}/`).resolve('axe-core/axe.min.js'), 'utf8');

async function open(path, options = {}) {
  const { token, ...context } = options;
  const credentials = token ? { httpCredentials: { username: 'any', password: token } } : {};
  const page = await (await browser.newContext({ viewport: DESKTOP, ...credentials, ...context })).newPage();
  const complaints = [];
  page.on('console', (line) => ['error', 'warning'].includes(line.type()) && complaints.push(line.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('requestfailed', (request) => complaints.push(`${request.url()} ${request.failure()?.errorText}`));
  const answer = await page.goto(new URL(path, base).href);
  return { page, complaints, answer };
}

const text = (page, selector) => page.locator(selector).innerText();
const number = async (page, selector) => Number((await text(page, selector)).replace(/[^0-9.]/g, ''));

async function assertFits(page) {
  const { scroll, client } = await page.evaluate(() => ({
    scroll: document.documentElement.scrollWidth,
    client: document.documentElement.clientWidth,
  }));
  assert.ok(scroll <= client, `the page is ${scroll} wide on a screen of ${client}`);
}

async function assertAccessible(page, where) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(' | ')}`);
  assert.deepEqual(found, [], where);
}

// The page in each scheme and size: it fits, axe finds nothing, and a picture is kept for a review by eye.
async function inEverySize(path, name, { token, prepare = () => {} } = {}) {
  for (const colorScheme of ['light', 'dark']) {
    for (const [size, viewport] of [['phone', PHONE], ['desktop', DESKTOP]]) {
      const { page } = await open(path, { colorScheme, viewport, token, deviceScaleFactor: 1.5 });
      await assertFits(page);
      await page.screenshot({ path: `${screenshots}/${name}-${size}-${colorScheme}.png`, fullPage: true });
      await prepare(page);
      await assertAccessible(page, `${path} in ${colorScheme}, ${viewport.width} wide`);
      await assertFits(page);
      await page.context().close();
    }
  }
}

async function withoutScript() {
  const { page, complaints } = await open('/', { javaScriptEnabled: false, viewport: PHONE });
  assert.equal(await text(page, '#health'), 'Ready, with 1 finding');
  assert.match(await text(page, '.findings'), /Events are not applied: 2 dead letters since the start/);
  assert.match(await text(page, '.findings .command'), /^segmenter dlq list/);
  assert.match(await text(page, '#outcomes-rows'), /applied/);
  assert.match(await text(page, '#dead-letters-rows'), /malformed/);
  assert.match(await text(page, '#segments-rows'), /[A-Z]+_[A-Z]+/);
  assert.match(await text(page, '#partitions-rows'), /onboarding/);
  assert.match(await text(page, '#partitions-rows'), /present/);
  assert.equal(await page.locator('table.stack').isVisible(), false);
  await page.locator('summary').click();
  assert.match(await text(page, 'table.stack'), /database.url/);
  await assertFits(page);
  await page.getByRole('link', { name: 'Runbook: Dead letters' }).click();
  assert.match(page.url(), /runbook#dead-letters$/);
  assert.match(await text(page, '#dead-letters + p'), /SegmenterDeadLetters/);
  await assertFits(page);
  assert.deepEqual(complaints, []);
}

async function live() {
  const { page, complaints } = await open('/');
  await page.evaluate(() => { window.isTheSame = true; });
  const applied = () => number(page, '#outcomes-rows tr:has-text("applied") td:nth-of-type(1)');
  const before = await applied();
  const awaits = Number(more[0]);
  await page.locator('summary').click();
  console.log('loaded');
  await poll(async () => (await applied()) === before + awaits);
  assert.ok((await number(page, '#tile-throughput .value')) > 0, 'there is a throughput');
  assert.equal(await page.evaluate(() => window.isTheSame), true, 'the page was not loaded anew');
  assert.ok(await page.locator('table.stack').isVisible(), 'the configuration stays open');
  await page.getByRole('button', { name: 'Pause' }).click();
  assert.equal(await text(page, '#live span'), 'Paused');
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.context().setOffline(true);
  await poll(async () => /No answer since/.test(await text(page, '#live span')));
  await page.context().setOffline(false);
  await poll(async () => (await text(page, '#live span')) === 'Live');
  assert.deepEqual(complaints.filter((line) => !line.includes('ERR_INTERNET_DISCONNECTED')), []);
}

async function poll(holds) {
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    if (await holds()) return;
    await new Promise((later) => { setTimeout(later, 50); });
  }
  assert.fail(`did not become true: ${holds}`);
}

async function job() {
  const [id, cause] = more;
  const { page } = await open('/', { viewport: PHONE });
  const shown = await text(page, `#job-${id}-part`);
  for (const part of ['replay running', `held up by ${cause}`, 'Phase', 'Checkpoint', `segmenter job pause ${id}`]) {
    assert.ok(shown.includes(part), `${part} is missing: ${shown}`);
  }
  // One click selects the whole command, and it stays selected while the page updates.
  await page.locator('.command', { hasText: 'job pause' }).click();
  const selected = () => page.evaluate(() => window.getSelection().toString().trim());
  assert.equal(await selected(), `segmenter job pause ${id}`);
  const uptime = await text(page, '#uptime');
  await poll(async () => (await text(page, '#uptime')) !== uptime);
  assert.equal(await selected(), `segmenter job pause ${id}`);
  await inEverySize('/', 'job');
}

// States with findings: the sentence, the impact, a reason and the runbook's section, in this order.
async function finding() {
  const [name, ...wanted] = more;
  const { page } = await open('/');
  const shown = await text(page, '.findings');
  let at = -1;
  for (const part of wanted) {
    const found = shown.indexOf(part, at + 1);
    assert.ok(found > at, `${part} is missing, or stands before ${wanted}: ${shown}`);
    at = found;
  }
  await inEverySize('/', name);
}

async function healthy() {
  const { page } = await open('/');
  assert.equal(await text(page, '#health'), 'Ready. Nothing is wrong.');
  assert.equal(await page.title(), 'segmenter');
  await inEverySize('/', 'healthy');
}

async function policy() {
  for (const path of ['/', '/runbook', '/users?id=user-0']) {
    const { page, complaints, answer } = await open(path, { token: more[0] });
    const headers = answer.headers();
    assert.match(headers['content-security-policy'], /^default-src 'none';.*frame-ancestors 'none'$/);
    assert.doesNotMatch(headers['content-security-policy'], /unsafe|\*/);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['referrer-policy'], 'no-referrer');
    assert.equal(headers['cache-control'], 'no-store');
    await page.waitForTimeout(2500);
    assert.deepEqual(complaints, [], `${path} logs no error while it runs`);
    const ran = await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'window.injected = true';
      document.body.append(script);
      return window.injected === true;
    });
    assert.equal(ran, false, 'an injected script does not run');
    assert.match(complaints.join(), /Content Security Policy/);
  }
}

async function keyboard() {
  const { page } = await open('/', { token: more[0] });
  const focused = () => page.evaluate(() => {
    const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
    const name = document.activeElement.textContent.trim() || document.activeElement.name || document.activeElement.id;
    return { name, isSeen: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 };
  });
  await page.keyboard.press('Tab');
  assert.equal((await focused()).name, 'Skip to the content');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await page.reload();
  const reached = [];
  for (let steps = 0; steps < 40; steps += 1) {
    await page.keyboard.press('Tab');
    const { name, isSeen } = await focused();
    if (reached.includes(name) || (await page.evaluate(() => document.activeElement === document.body))) break;
    assert.ok(isSeen, `the focus on ${name} is seen`);
    reached.push(name);
    if (name.startsWith('Configuration')) {
      await page.keyboard.press('Enter');
      assert.ok(await page.locator('table.stack').isVisible(), 'the configuration opens');
    }
  }
  const wanted = ['Skip to the content', 'segmenter', 'Pause', 'Runbook: Dead letters', 'id', 'Explain', 'Runbook', 'Metrics'];
  assert.deepEqual(wanted.filter((name) => !reached.includes(name)), [], `reached: ${reached}`);
  assert.ok(reached.some((name) => name.startsWith('Configuration')));
  await page.locator('#id').fill('user-0');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/users?id=user-0');
}

async function accessible() {
  const token = more[0];
  const details = async (page) => { for (const one of await page.locator('summary').all()) await one.click(); };
  await inEverySize('/', 'overview', { token, prepare: details });
  await inEverySize('/users?id=user-0', 'user', { token, prepare: details });
  await inEverySize('/users?id=unknown', 'unknown-user', { token });
  await inEverySize('/runbook', 'runbook');
}

async function userPage() {
  const refused = await open('/users?id=user-0').catch((error) => error);
  assert.ok(refused instanceof Error || refused.answer.status() === 401, 'the page is closed without the token');
  const { page, answer } = await open('/users?id=user-0', { token: more[0], javaScriptEnabled: false });
  assert.equal(answer.status(), 200);
  assert.match(await text(page, '.assigned > li:first-child'), new RegExp(more[1]));
  assert.ok((await page.locator('.assigned > li:first-child li').count()) > 0, 'there are reasons');
  const figures = page.locator('.pictures figure');
  assert.equal(await figures.count(), 8, 'there is a picture for each segment');
  assert.match(await figures.first().innerText(), new RegExp(`1\\. ${more[1]}`), 'the first segment is the closest');
  const picture = page.getByRole('img', { name: new RegExp(`^${more[1]}, closeness`) });
  assert.equal(await picture.locator('circle.user').count(), 7);
  assert.match(await picture.locator('desc').textContent(), /^The furthest dimension is/);
  await page.getByText('The same as a table').click();
  assert.equal(await page.locator('.scroll tbody tr').count(), 9, 'the traveller and each segment');
  await page.locator('#id').fill('unknown <b>"\'&');
  await page.getByRole('button', { name: 'Explain' }).click();
  assert.match(await text(page, 'main'), /nothing is known of this user/);
  assert.equal(await page.locator('#id').inputValue(), 'unknown <b>"\'&');
}

// The picture of the docs.
async function picture() {
  const { page } = await open('/', { viewport: DESKTOP });
  await page.waitForTimeout(2500);
  await page.screenshot({ path: more[0] });
}

async function report() {
  for (const colorScheme of ['light', 'dark']) {
    for (const [name, viewport] of [['phone', PHONE], ['desktop', DESKTOP]]) {
      const { page, complaints } = await open('', { colorScheme, viewport, deviceScaleFactor: 1.5 });
      await assertFits(page);
      await page.screenshot({ path: `${screenshots}/report-${name}-${colorScheme}.png`, fullPage: true });
      assert.deepEqual(complaints, []);
      await assertAccessible(page, `in ${colorScheme}, ${viewport.width} wide`);
      await page.context().close();
    }
  }
  const { page } = await open('', { colorScheme: 'dark' });
  await page.pdf({ path: `${screenshots}/report.pdf`, format: 'A4' });
  await page.emulateMedia({ media: 'print' });
  const ground = await page.evaluate(() => getComputedStyle(document.querySelector('.card')).backgroundColor);
  assert.equal(ground, 'rgb(255, 255, 255)', 'on paper it is light');
}

const checks = { withoutScript, live, job, finding, healthy, policy, keyboard, accessible, userPage, picture, report };
const [check, base, ...more] = process.argv.slice(process.argv.findIndex((word) => word in checks));
const browser = await chromium.launch({
  executablePath: execFileSync('sh', ['-c', 'command -v chromium'], { encoding: 'utf8' }).trim(),
  // As root the sandbox does not start; nothing foreign is looked at.
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
});
try {
  await checks[check]();
} finally {
  await browser.close();
}
