// Checks the service's page in a headless Chromium.
//
// Usage, in a folder with playwright-core and axe-core: node --input-type=module --eval "$(cat look.mjs)" CHECK BASE [MORE…]
// Prints the lines for which the Rust test waits; ends with 0 if the check holds, else with the failed assertion.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const PHONE = { width: 360, height: 740 };
const DESKTOP = { width: 1360, height: 900 };
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

async function withoutScript() {
  const { page, complaints } = await open('/', { javaScriptEnabled: false, viewport: PHONE });
  assert.equal(await text(page, '#health strong'), 'Ready');
  assert.match(await text(page, '#outcomes-rows'), /applied/);
  assert.match(await text(page, '#dead-letters-rows'), /malformed/);
  assert.match(await text(page, '#segments-rows'), /[A-Z]+_[A-Z]+/);
  assert.match(await text(page, '#lag-rows'), /onboarding/);
  assert.equal(await page.locator('table.stack').isVisible(), false);
  await page.locator('summary').click();
  assert.match(await text(page, 'table.stack'), /database.url/);
  await assertFits(page);
  assert.deepEqual(complaints, []);
}

async function live() {
  const { page, complaints } = await open('/');
  await page.evaluate(() => { window.isTheSame = true; });
  const applied = () => number(page, '#outcomes-rows tr:has-text("applied") td:nth-of-type(1)');
  const before = await applied();
  const awaits = Number(more[0]);
  console.log('loaded');
  await poll(async () => (await applied()) === before + awaits);
  assert.ok((await number(page, '#tile-throughput .value')) > 0, 'there is a throughput');
  assert.equal(await page.evaluate(() => window.isTheSame), true, 'the page was not loaded anew');
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
  const { page } = await open('/', { viewport: PHONE });
  assert.match(await text(page, '#jobs-rows'), /replay[^]*running/);
  assert.ok((await text(page, '#jobs-rows')).includes(`held up by ${more[0]}`));
  await assertFits(page);
  await page.screenshot({ path: `${more[1]}/job-phone.png` });
}

async function policy() {
  for (const path of ['/', '/users?id=user-0']) {
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
  const wanted = ['Skip to the content', 'segmenter', 'Pause', 'id', 'Explain', 'Status as JSON', 'Metrics', 'Health'];
  assert.deepEqual(wanted.filter((name) => !reached.includes(name)), [], `reached: ${reached}`);
  assert.ok(reached.some((name) => name.startsWith('Configuration')));
  await page.locator('#id').fill('user-0');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/users?id=user-0');
}

async function accessible() {
  for (const colorScheme of ['light', 'dark']) {
    for (const viewport of [PHONE, DESKTOP]) {
      for (const path of ['/', '/users?id=user-0', '/users?id=unknown']) {
        const { page } = await open(path, { colorScheme, viewport, token: more[0] });
        await assertFits(page);
        if (path === '/') await page.locator('summary').click();
        await page.evaluate(AXE);
        const { violations } = await page.evaluate(() => window.axe.run(document, {
          runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
        }));
        const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(' | ')}`);
        assert.deepEqual(found, [], `${path} in ${colorScheme}, ${viewport.width} wide`);
        await assertFits(page);
        await page.context().close();
      }
    }
  }
}

async function userPage() {
  const refused = await open('/users?id=user-0').catch((error) => error);
  assert.ok(refused instanceof Error || refused.answer.status() === 401, 'the page is closed without the token');
  const { page, answer } = await open('/users?id=user-0', { token: more[0], javaScriptEnabled: false });
  assert.equal(answer.status(), 200);
  assert.match(await text(page, '.assigned > li:first-child'), new RegExp(more[1]));
  assert.ok((await page.locator('.assigned > li:first-child li').count()) > 0, 'there are reasons');
  assert.match(await text(page, 'main'), /Closeness of each segment/);
  await page.locator('#id').fill('unknown <b>"\'&');
  await page.getByRole('button', { name: 'Explain' }).click();
  assert.match(await text(page, 'main'), /nothing is known of this user/);
  assert.equal(await page.locator('#id').inputValue(), 'unknown <b>"\'&');
}

async function pictures() {
  const [folder, token] = more;
  for (const colorScheme of ['light', 'dark']) {
    for (const [name, viewport] of [['phone', PHONE], ['desktop', DESKTOP]]) {
      for (const [what, path] of [['overview', '/'], ['user', '/users?id=user-0']]) {
        const { page } = await open(path, { colorScheme, viewport, token, deviceScaleFactor: 1.5 });
        await page.waitForTimeout(300);
        await page.screenshot({ path: `${folder}/${what}-${name}-${colorScheme}.png`, fullPage: true });
        await page.context().close();
      }
    }
  }
}

async function report() {
  for (const colorScheme of ['light', 'dark']) {
    for (const [name, viewport] of [['phone', PHONE], ['desktop', DESKTOP]]) {
      const { page, complaints } = await open('', { colorScheme, viewport, deviceScaleFactor: 1.5 });
      await assertFits(page);
      await page.screenshot({ path: `${more[0]}/report-${name}-${colorScheme}.png`, fullPage: true });
      assert.deepEqual(complaints, []);
      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() => window.axe.run(document));
      const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`);
      assert.deepEqual(found, [], `in ${colorScheme}, ${viewport.width} wide`);
      await page.context().close();
    }
  }
  const { page } = await open('', { colorScheme: 'dark' });
  await page.pdf({ path: `${more[0]}/report.pdf`, format: 'A4' });
  await page.emulateMedia({ media: 'print' });
  const ground = await page.evaluate(() => getComputedStyle(document.querySelector('.card')).backgroundColor);
  assert.equal(ground, 'rgb(255, 255, 255)', 'on paper it is light');
}

const checks = { withoutScript, live, job, policy, keyboard, accessible, userPage, pictures, report };
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
