// A wearable in a few lines: one heartbeat a second to the ingest of a network that runs on this machine.
// node examples/send-a-reading.ts [mqtt://127.0.0.1:1883] [how many]

import { setTimeout as pause } from 'node:timers/promises';
import { connectAsync } from 'mqtt';

const [url = 'mqtt://127.0.0.1:1883', count = '5'] = process.argv.slice(2);
const client = await connectAsync(url);
for (let seq = 0; seq < Number(count); seq += 1) {
  if (seq > 0) await pause(1_000);
  const reading = { userId: 'my-watch', t: Date.now(), heartrate: (70 + Math.random() * 5).toFixed(1) };
  // Settles with the PUBACK: the reading is on the ingest's disk then.
  await client.publishAsync('vitals/my-watch', JSON.stringify(reading), { qos: 1 });
  process.stdout.write(`kept: ${reading.heartrate} beats a minute\n`);
}
await client.endAsync();
