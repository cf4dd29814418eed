/** The page's side of the worker: one request at a time, and the newest picture wins. */

import type { Wish } from './backends';
import { UserError } from './errors';
import type { ModelFile, Opened, Painted, Pixels, Reply, Request } from './messages';
import PainterWorker from './worker?worker';

type Answer = Extract<Reply, { result: unknown }>;

/** A picture nobody waits for any more may take this long; a new worker is ready sooner. */
const PATIENCE_MILLISECONDS = 2000;

/** A picture being painted: since when, and how to leave it. */
interface Running {
  readonly since: number;
  readonly abandon: () => void;
}

export class Painter {
  readonly #wish: Wish;
  readonly #onProgress: (text: string) => void;
  #worker: Worker | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #newest = 0;
  #running: Running | undefined;

  constructor(wish: Wish, onProgress: (text: string) => void) {
    this.#wish = wish;
    this.#onProgress = onProgress;
  }

  /** Open a model, to learn whether it is one of faststyle. */
  async open(model: ModelFile): Promise<Opened> {
    const answer = await this.#inTurn(() => this.#ask({ kind: 'open', model }));
    return answer!.result;
  }

  /** Paint a photo; undefined if a newer one was asked for meanwhile. */
  async paint(model: ModelFile, photo: Pixels): Promise<Painted | undefined> {
    const ticket = ++this.#newest;
    this.#abandonIfSlow();
    const answer = await this.#inTurn(async () =>
      ticket === this.#newest ? this.#ask({ kind: 'paint', model, photo }) : undefined,
    );
    return answer?.kind === 'painted' && ticket === this.#newest ? answer.result : undefined;
  }

  #inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Return the worker's answer; undefined if it was abandoned. */
  async #ask(request: Request): Promise<Answer | undefined> {
    const worker = (this.#worker ??= new PainterWorker({ name: this.#wish }));
    try {
      return await new Promise((resolve, reject) => {
        this.#listen(worker, resolve, reject);
        if (request.kind === 'paint')
          this.#running = { since: performance.now(), abandon: () => resolve(undefined) };
        worker.postMessage(request);
      });
    } finally {
      this.#running = undefined;
    }
  }

  #listen(
    worker: Worker,
    resolve: (answer: Answer) => void,
    reject: (error: UserError) => void,
  ): void {
    worker.onmessage = ({ data: reply }: MessageEvent<Reply>) => {
      if (reply.kind === 'progress') return this.#onProgress(reply.text);
      if (reply.kind !== 'failed') return resolve(reply);
      // After some failures, as when memory runs out, onnxruntime never works again.
      this.#discardWorker();
      reject(new UserError(reply.text));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#discardWorker();
      const why = event.message || 'its script could not be loaded';
      reject(new UserError(`The painter stopped: ${why}`));
    };
  }

  /** Give what is being painted a little time, as it is no longer wanted. */
  #abandonIfSlow(): void {
    const running = this.#running;
    if (!running) return;
    const left = running.since + PATIENCE_MILLISECONDS - performance.now();
    setTimeout(() => {
      if (this.#running !== running) return;
      this.#discardWorker();
      running.abandon();
    }, left);
  }

  #discardWorker(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
  }
}
