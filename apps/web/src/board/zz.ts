import { createSystemClock } from '@pulsemesh/base';
import { BoardFollower } from './board-follower.ts';

const [base, token] = process.argv.slice(2) as [string, string];
const headers = { authorization: `Bearer ${token}` };
const { board } = await (await fetch(`${base}/api/v1/board`, { headers })).json();
const f = await BoardFollower.open(
  { place: board, url: `${base}/board`, remembered: { note: null, evidence: null } as never },
  {
    clock: createSystemClock(),
    tell: (n) => console.log(n.news),
    fetch: async (url, init) => {
      const r = await fetch(url, { method: init.method, headers, signal: init.signal });
      return { status: r.status, bytes: async () => new Uint8Array(await r.arrayBuffer()) };
    },
  },
);
try {
  console.log(await f.refresh());
  console.log(f.tasks(Date.now()).length);
} catch (e) {
  console.log(e);
}
process.exit(0);
