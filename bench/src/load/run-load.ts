import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { LoadPlan, LoadResult } from './publisher.ts';

/** When the reading `index` of a patient that beats irregularly was sent, milliseconds since 1970. */
export interface LoadMark {
  readonly mark: string;
  readonly index: number;
  readonly wallMs: number;
}

/**
 * Runs the publisher in a process of its own and waits for its end.
 * @throws when it fails; its standard error is ours.
 */
export async function runLoad(
  plan: LoadPlan,
): Promise<{ readonly result: LoadResult; readonly marks: readonly LoadMark[] }> {
  const file = fileURLToPath(new URL('./publisher.ts', import.meta.url));
  const child = spawn(process.execPath, [file, JSON.stringify(plan)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const marks: LoadMark[] = [];
  let result: LoadResult | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    const value = JSON.parse(line) as LoadMark | { readonly result: LoadResult }; // written by publisher.ts
    if ('result' in value) result = value.result;
    else marks.push(value);
  }
  const code = await exited;
  if (result === undefined) throw new Error(`the load ended with code ${code} and no result`);
  return { result, marks };
}
