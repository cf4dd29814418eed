/** How much the newest interval counts. */
const WEIGHT = 0.1;

/** Return a function to call at every picture, which returns how many come in a second. */
export function rateMeter(): () => number {
  let last = performance.now();
  let average: number | undefined;
  return () => {
    const now = performance.now();
    average = average === undefined ? now - last : average + WEIGHT * (now - last - average);
    last = now;
    return 1000 / average;
  };
}
