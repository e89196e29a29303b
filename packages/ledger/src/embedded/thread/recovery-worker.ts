import { parentPort } from 'node:worker_threads';
import { ecrecover } from '@ethereumjs/util';
import type { RecoveryAnswer, RecoveryQuestion } from './recovery-thread.ts';

// The helper of the chain's thread: recovers the keys of those who sent, which needs nothing of the chain.

const port = parentPort;
if (port === null) throw new Error('this file is a worker');

port.on('message', ({ id, input }: RecoveryQuestion) => {
  let answer: RecoveryAnswer = { id, key: null };
  try {
    answer = { id, key: ecrecover(...input) };
  } catch {
    // There is no such key; who asked finds the same and says so.
  }
  port.postMessage(answer);
});
