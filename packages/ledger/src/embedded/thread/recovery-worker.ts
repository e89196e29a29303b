import { parentPort } from 'node:worker_threads';
import { recoverWithWasm } from '../execution/recover-with-wasm.ts';
import type { RecoveryAnswer, RecoveryQuestion } from './recovery-thread.ts';

// The helper of the chain's thread: recovers the keys of those who sent, which needs nothing of the chain.

const port = parentPort;
if (port === null) throw new Error('this file is a worker');

port.on('message', (questions: readonly RecoveryQuestion[]) => {
  port.postMessage(questions.map(answerTo));
});

function answerTo({ id, input }: RecoveryQuestion): RecoveryAnswer {
  try {
    return { id, key: recoverWithWasm(...input) };
  } catch {
    return { id, key: null }; // there is none; who asked finds the same and says so
  }
}
