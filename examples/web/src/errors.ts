/** A mistake or a limit that one line tells the user of. */
export class UserError extends Error {}

/** Return the one line for any error. */
export function explain(error: unknown): string {
  if (error instanceof UserError) return error.message;
  const text = error instanceof Error ? error.message : String(error);
  return `Something went wrong: ${text.split('\n', 1)[0]}`;
}
