/** The page: what the user does, what is painted for it, and what is shown. */

import examplePhoto from '../../../data/photos/astronaut.jpg?url';
import type { Wish } from './backends';
import { blend } from './blend';
import { Camera } from './camera';
import { Compare } from './compare';
import { explain } from './errors';
import { receiveFiles } from './intake';
import type { Painted, Pixels } from './messages';
import { Painter } from './painter';
import { type Photo, type PhotoFile, readPhoto, stem, toPng } from './photo';
import { rateMeter } from './rate';
import { StylePicker, title } from './style-picker';
import { bundledStyles, type Style } from './styles';

/** Longer side of the camera's frames: small enough for several in a second by WASM. */
const LIVE_SIDE = 384;

/** What is on the stage: pixels before and after, and what they are called. */
interface Shown {
  readonly photo: Pixels;
  readonly painting: Pixels;
  readonly name: string;
}

const element = <Type extends HTMLElement>(id: string) => document.getElementById(id) as Type;
const stage = element('stage');
const status = element('status');
const problem = element('problem');
const rate = element('rate');
const strength = element<HTMLInputElement>('strength');
const size = element<HTMLSelectElement>('size');
const cameraButton = element<HTMLButtonElement>('camera');
const shutter = element<HTMLButtonElement>('shutter');
const download = element<HTMLButtonElement>('download');

const compare = new Compare(
  stage,
  element('divider'),
  element<HTMLCanvasElement>('photo'),
  element<HTMLCanvasElement>('painting'),
);
const wish = new URLSearchParams(location.search).get('runtime') as Wish | null;
const painter = new Painter(wish ?? 'best', (text) => {
  if (!camera) status.textContent = `${text} …`;
});
const picker = new StylePicker(element('styles'), element('add-style'), () => void repaint());

let file: PhotoFile | undefined;
let photo: Photo | undefined;
let shown: Shown | undefined;
let camera: Camera | undefined;
let pending = 0;
let newestFile = 0;

/** Do what the user asked for; the stage is busy meanwhile, and what fails is said in one line. */
async function attempt(task: () => Promise<void>): Promise<void> {
  problem.textContent = '';
  pending++;
  stage.dataset.state = 'busy';
  try {
    await task();
  } catch (error) {
    problem.textContent = explain(error);
    status.textContent = '';
  } finally {
    pending--;
    if (pending === 0) stage.dataset.state = 'ready';
  }
}

/** Show a picture and paint it. */
function openPhoto(next: PhotoFile): Promise<void> {
  return attempt(async () => {
    const ticket = ++newestFile;
    status.textContent = `Reading ${next.name} …`;
    const read = await readPhoto(next, Number(size.value));
    if (ticket !== newestFile) return;
    stopCamera();
    [file, photo] = [next, read];
    await paintPhoto();
  });
}

function repaint(): Promise<void> {
  // With the camera, the next frame is painted in the new style anyway.
  return camera ? Promise.resolve() : attempt(paintPhoto);
}

async function paintPhoto(): Promise<void> {
  const [style, current, name] = [picker.chosen, photo, file?.name];
  if (!style || !current || !name) return;
  const { pixels } = current;
  if (shown?.photo !== pixels) {
    shown = undefined;
    download.disabled = true;
    compare.showPhoto(pixels);
    compare.showPainting(pixels);
  }
  const painted = await painter.paint(style, pixels);
  if (!painted) return;
  present(style, pixels, painted, `${stem(name)}_${style.name}.png`);
  status.textContent = report(current, painted);
}

function report({ pixels, original }: Photo, { milliseconds }: Painted): string {
  const painted = `Painted ${pixels.width} × ${pixels.height}`;
  const scaled = original.width !== pixels.width || original.height !== pixels.height;
  const whole = scaled ? `, of ${original.width} × ${original.height}` : '';
  return `${painted}${whole}, in ${Math.round(milliseconds)} ms`;
}

function present(style: Style, pixels: Pixels, painted: Painted, name: string): void {
  shown = { photo: pixels, painting: painted.painting, name };
  showBlend();
  download.disabled = false;
  stage.dataset.paintings = String(Number(stage.dataset.paintings ?? 0) + 1);
  stage.dataset.milliseconds = String(painted.milliseconds);
  stage.dataset.threads = String(painted.runtime.threads);
  const { description, source, author } = painted.card;
  element('credit').textContent = [title(style), description, source, author]
    .filter(Boolean)
    .join(' · ');
  element('runtime').textContent = painted.runtime.label;
  element('runtime').hidden = false;
}

function result({ photo, painting }: Shown): Pixels {
  return blend(photo, painting, strength.valueAsNumber);
}

function showBlend(): void {
  element('strength-shown').textContent = `${strength.value} %`;
  if (shown) compare.showPainting(result(shown));
}

function save({ name }: Shown, png: Blob): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(png);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Add a style of the user's, if it is one. */
function addStyle(model: File): Promise<void> {
  return attempt(async () => {
    const url = URL.createObjectURL(model);
    try {
      const { card } = await painter.open({ name: model.name, url });
      picker.add({ name: card.style || stem(model.name), url }, { choose: true });
    } catch (error) {
      URL.revokeObjectURL(url);
      throw error;
    }
  });
}

function receive(chosen: File): void {
  if (/\.onnx$/i.test(chosen.name)) void addStyle(chosen);
  else void openPhoto({ blob: chosen, name: chosen.name });
}

async function startCamera(): Promise<void> {
  const opened = await Camera.open();
  if (camera) return opened.close(); // the button was pressed twice
  camera = opened;
  newestFile++;
  cameraButton.textContent = 'Stop the camera';
  shutter.hidden = false;
  stage.classList.add('live');
  status.textContent = 'Painting what the camera sees';
  void attempt(() => paintLive(opened));
}

function stopCamera(): void {
  camera?.close();
  camera = undefined;
  cameraButton.textContent = 'Use the camera';
  shutter.hidden = rate.hidden = true;
  stage.classList.remove('live');
}

async function paintLive(live: Camera): Promise<void> {
  const measureRate = rateMeter();
  try {
    while (camera === live && (await paintFrame(live))) {
      rate.textContent = `${measureRate().toFixed(1)} pictures per second`;
      rate.hidden = false;
      await new Promise(requestAnimationFrame);
    }
  } catch (error) {
    if (camera === live) stopCamera();
    throw error;
  }
}

/** Return whether the frame was painted, and the camera is still wanted. */
async function paintFrame(live: Camera): Promise<boolean> {
  const style = picker.chosen;
  if (!style) return false;
  const frame = live.frame(LIVE_SIDE);
  const painted = await painter.paint(style, frame);
  if (camera !== live || !painted) return false;
  compare.showPhoto(frame);
  present(style, frame, painted, `camera_${style.name}.png`);
  return true;
}

function connect(): void {
  receiveFiles([element('photo-file'), element('style-file')], receive);
  strength.addEventListener('input', showBlend);
  size.addEventListener('change', () => {
    if (file && !camera) void openPhoto(file);
  });
  download.addEventListener('click', () => {
    const saved = shown;
    if (saved) void attempt(async () => save(saved, await toPng(result(saved))));
  });
  cameraButton.addEventListener('click', () => {
    if (!camera) return void attempt(startCamera);
    stopCamera();
    if (file) void openPhoto(file);
  });
  shutter.addEventListener('click', () => {
    const taken = camera?.photo();
    if (taken) void taken.then((blob) => openPhoto({ blob, name: 'camera.png' }));
  });
}

async function start(): Promise<void> {
  connect();
  showBlend();
  bundledStyles.forEach((style, at) => picker.add(style, { choose: at === 0 }));
  const response = await fetch(examplePhoto);
  const blob = await response.blob();
  if (newestFile === 0) await openPhoto({ blob, name: 'astronaut.jpg' });
}

void attempt(start);
