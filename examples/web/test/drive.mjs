/**
 * Use the built page in headless Chromium as a person would, step by step, and print one line of
 * JSON: what the page runs on, and what it showed after each step. Anything the page should
 * not do (an error, a breach of its security policy, a request to elsewhere) ends with status 1.
 */

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';

import { chromium } from 'playwright-core';

import { serve } from './serve.mjs';

const USAGE = `node test/drive.mjs [options] step …

steps, done in their order:
  photo=FILE, model=FILE     give the page a picture, or a style of one's own
  style=NAME, size=VALUE     choose one
  strength=PERCENT           move the slider
  press=KEY                  press a key where the focus is; focus=SELECTOR moves it
  drop=FILE, paste=FILE      drop a file on the page, or paste it
  camera=SECONDS             watch Chromium's imitated camera; then shutter=1 takes a photo
  download=FILE              save the PNG that the page offers
  benchmark=COUNT            paint pictures of 512 × 512, after one to warm up
  screenshot=FILE            of the whole page

options:
  --no-isolation             serve without the headers that allow threads
  --runtime NAME             wasm or webgpu, instead of the best there is
  --width N --height N       the window, and --scale N its pixels for each of CSS
  --dark                     as for people who prefer that
  --browser-argument=--FLAG  for Chromium; may be repeated
  --step-seconds N           how long a step may take`;

const OPTIONS = {
  'no-isolation': { type: 'boolean', default: false },
  dark: { type: 'boolean', default: false },
  width: { type: 'string', default: '1280' },
  height: { type: 'string', default: '860' },
  scale: { type: 'string', default: '1' },
  runtime: { type: 'string', default: 'best' },
  'browser-argument': { type: 'string', multiple: true, default: [] },
  'step-seconds': { type: 'string', default: '120' },
  help: { type: 'boolean', default: false },
};

const BROWSER_ARGUMENTS = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
];

/** What is returned is reported. */
const STEPS = {
  photo: (page, path) => page.setInputFiles('#photo-file', path),
  model: (page, path) => page.setInputFiles('#style-file', path),
  style: (page, name) => page.click(`label:has(input[value="${name}"])`),
  size: async (page, value) => void (await page.selectOption('#size', value)),
  strength: (page, percent) => page.fill('#strength', percent),
  focus: (page, selector) => page.focus(selector),
  press: (page, key) => page.keyboard.press(key),
  drop: (page, path) => transfer(page, path, 'drop', 'dataTransfer'),
  paste: (page, path) => transfer(page, path, 'paste', 'clipboardData'),
  camera: watchCamera,
  shutter: takePhoto,
  download: save,
  benchmark,
  screenshot: async (page, path) => void (await page.screenshot({ path, fullPage: true })),
};

/** Hand a file to the page in an event, as drag and drop and the clipboard do. */
async function transfer(page, path, type, property) {
  const name = basename(path);
  const bytes = [...(await readFile(path))];
  await page.evaluate(
    ([type, property, name, bytes]) => {
      const files = new DataTransfer();
      const kind = name.endsWith('.png') ? 'image/png' : '';
      files.items.add(new File([new Uint8Array(bytes)], name, { type: kind }));
      const Kind = type === 'drop' ? DragEvent : ClipboardEvent;
      document.body.dispatchEvent(new Kind(type, { bubbles: true, [property]: files }));
    },
    [type, property, name, bytes],
  );
}

async function watchCamera(page, seconds) {
  await page.click('#camera');
  await page.waitForTimeout(Number(seconds) * 1000);
  return { rate: await page.textContent('#rate') };
}

async function takePhoto(page) {
  await page.click('#shutter');
  await page.waitForSelector('#stage[data-state=ready]:not(.live)');
}

async function save(page, path) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#download')]);
  await download.saveAs(path);
  return { name: download.suggestedFilename() };
}

async function benchmark(page, count) {
  const drawn = await page.evaluate(async () => {
    const canvas = new OffscreenCanvas(512, 512);
    const drawing = canvas.getContext('2d');
    const colors = drawing.createConicGradient(0, 200, 300);
    const names = ['teal', 'gold', 'crimson', 'white', 'teal'];
    names.forEach((name, at) => colors.addColorStop(at / 4, name));
    drawing.fillStyle = colors;
    drawing.fillRect(0, 0, 512, 512);
    const blob = await canvas.convertToBlob({ type: 'image/png' });
    return [...new Uint8Array(await blob.arrayBuffer())];
  });
  const file = { name: 'benchmark.png', mimeType: 'image/png', buffer: Buffer.from(drawn) };
  const times = [];
  for (let turn = 0; turn <= Number(count); turn++) {
    await page.setInputFiles('#photo-file', file);
    await settled(page);
    times.push(Number(await page.getAttribute('#stage', 'data-milliseconds')));
  }
  const sorted = times.slice(1).sort((first, second) => first - second);
  return { milliseconds: sorted[Math.floor(sorted.length / 2)], fastest: sorted[0] };
}

/** Wait until nothing is being read, painted or saved; with the camera, something always is. */
async function settled(page) {
  await page.waitForSelector('#stage[data-state=ready], #stage.live', {
    state: 'attached',
  });
}

function observe(page) {
  return page.evaluate(() => {
    const text = (selector) => document.querySelector(selector).textContent;
    const { threads, paintings } = document.querySelector('#stage').dataset;
    return {
      runtime: text('#runtime'),
      threads: Number(threads),
      paintings: Number(paintings),
      style: document.querySelector('[name=style]:checked')?.value,
      divider: Number(document.querySelector('#divider').getAttribute('aria-valuenow')),
      status: text('#status'),
      problem: text('#problem'),
      overflow: document.documentElement.scrollWidth - innerWidth,
    };
  });
}

function watch(page, origin) {
  const faults = [];
  page.on('pageerror', (error) => faults.push(`page error: ${error.message}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()))
      faults.push(`console ${message.type()}: ${message.text()}`);
  });
  page.context().on('request', (request) => {
    const url = new URL(request.url());
    const local = ['blob:', 'data:'].includes(url.protocol) || url.origin === origin;
    if (!local) faults.push(`request to elsewhere: ${request.url()}`);
  });
  return faults;
}

async function take(page, steps) {
  const observations = [];
  for (const step of steps) {
    const [, verb, value] = /^([a-z]+)=(.*)$/s.exec(step) ?? [];
    if (!(verb in STEPS)) throw new Error(`no such step: ${step}`);
    const measured = await STEPS[verb](page, value);
    await settled(page);
    observations.push({ step, ...(await observe(page)), ...measured });
  }
  return observations;
}

async function drive(options, steps) {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  if (!existsSync(executablePath))
    throw new Error(`no Chromium at ${executablePath}: set CHROMIUM`);
  const host = await serve({ isolated: !options['no-isolation'] });
  const browser = await chromium.launch({
    executablePath,
    args: [...BROWSER_ARGUMENTS, ...options['browser-argument']],
  });
  try {
    const page = await browser.newPage({
      viewport: { width: Number(options.width), height: Number(options.height) },
      deviceScaleFactor: Number(options.scale),
      colorScheme: options.dark ? 'dark' : 'light',
    });
    page.setDefaultTimeout(Number(options['step-seconds']) * 1000);
    const faults = watch(page, new URL(host.address).origin);
    await page.goto(`${host.address}?runtime=${options.runtime}`);
    await settled(page);
    const first = await observe(page);
    const observations = await take(page, steps);
    return { faults, report: { ...first, steps: observations } };
  } finally {
    await browser.close();
    host.stop();
  }
}

try {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  if (values.help) console.log(USAGE);
  else {
    const { faults, report } = await drive(values, positionals);
    console.log(JSON.stringify(report));
    for (const fault of faults) console.error(fault);
    process.exitCode = faults.length ? 1 : 0;
  }
} catch (error) {
  const misused = String(error.code).startsWith('ERR_PARSE_ARGS');
  console.error(misused ? `${error.message}\n${USAGE}` : error.message);
  process.exitCode = 1;
}
