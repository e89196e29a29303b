import { join } from 'node:path';
import { createSystemClock, createSystemRandom, silentLogger } from '@pulsemesh/base';
import { loadOrCreateIdentity } from '@pulsemesh/identity';
import type { PatientInput } from '@pulsemesh/node/api';
import { startInbox } from '@pulsemesh/node/inbox';
import { openSqliteRecords, recordKinds } from '@pulsemesh/store';
import { encodeReading } from '@pulsemesh/vitals/readings';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectDevice, fibrillation, filesBelow, publishAll, temporaryDirectory, WholeNode } from './whole-node.ts';

const marker: PatientInput = {
  userId: 'QmMarkerWearer7Zq',
  name: 'Markerina Zqpatient',
  email: 'markerina.zqpatient@example.org',
  language: 'en',
  doctor: { name: 'Dr Zqdoctor', email: 'zqdoctor@example.net', language: 'de' },
  tells: { patient: true, doctor: true },
  device: { kind: 'replay' },
};
const startMs = 1_767_222_000_000;
const readings = fibrillation(marker.userId, startMs);
/** A long fraction, so that its text and its bytes occur nowhere by chance. */
const sampled = readings.filter(({ heartRateBpm }) => String(heartRateBpm).length > 12).slice(0, 40);

const identities = [
  marker.userId,
  'QmMarkerNobody7Zq',
  'Zqpatient',
  'markerina.zqpatient',
  'Zqdoctor',
  'zqdoctor',
  'Dr Zqwho',
] as const;
const rates = sampled.map(({ heartRateBpm }) => String(heartRateBpm));
const texts = [...identities, ...rates];

/** What of a person lies in `bytes`, in any form it might have been written. */
function found(bytes: Buffer): string[] {
  const hits = texts.filter((text) => bytes.includes(text, 0, 'utf8') || bytes.includes(text, 0, 'utf16le'));
  for (const reading of sampled) {
    const plain = Buffer.from(encodeReading(reading)).subarray(2);
    const rate = Buffer.alloc(16);
    rate.writeDoubleBE(reading.heartRateBpm, 0);
    rate.writeDoubleLE(reading.heartRateBpm, 8);
    if ([plain, rate.subarray(0, 8), rate.subarray(8)].some((needle) => bytes.includes(needle))) {
      hits.push(`the bytes of ${reading.heartRateBpm}`);
    }
  }
  return hits;
}

const clock = createSystemClock();
const place = temporaryDirectory();
const data = join(place.path, 'data');
const keyFile = join(place.path, 'node.key');
const inbox = await startInbox(
  { directory: join(place.path, 'inbox'), smtpPort: 0, httpPort: 0 },
  { clock, logger: silentLogger },
);
const start = () => WholeNode.start({ data, keyFile, smtpPort: inbox.smtpPort });

/** Whatever a client that did something wrong was told. */
const refusals: string[] = [];
let log = '';
let metrics = '';
let whileRunning: ReturnType<typeof filesBelow> = [];

/** One person's ten minutes of fibrillation, told by mail and acknowledged; and all that can go wrong beside it. */
beforeAll(async () => {
  const node = await start();
  const patient = await node.api.registerPatient(marker);
  const told = node.heard((event) => event.type === 'alert' && event.alert.notifiedCount === 2);
  const client = await connectDevice(node.mqttUrl, marker.userId);
  client.on('message', (_topic, payload) => void refusals.push(payload.toString()));
  await client.subscribeAsync(`pulsemesh/refusals/${marker.userId}`);
  await publishAll(client, readings);
  const event = await told;
  if (event.type === 'alert') await node.api.acknowledge(event.alert.alertId, 'Dr Zqwho');
  await provoke(node, patient.subject, client);
  metrics = (await node.metrics()) + (await node.api.metrics());
  whileRunning = filesBelow(data);
  await client.endAsync();
  await node[Symbol.asyncDispose]();
  log = node.lines.join('');
}, 120_000);

afterAll(async () => {
  await inbox[Symbol.asyncDispose]();
  place[Symbol.dispose]();
});

async function provoke(node: WholeNode, subject: string, client: Awaited<ReturnType<typeof connectDevice>>) {
  const [first] = rates;
  const bad = [
    `{"userId":"${marker.userId}","heartrate":"${first}x"}`,
    `{"userId":"${marker.userId}\\n{\\"level\\":50}","heartrate":70}`,
    `{"userId":"QmMarkerNobody7Zq","t":9000000000000,"heartrate":${first}}`,
    `{"userId":"${marker.userId}" ${first}`,
  ];
  for (const payload of bad) await client.publishAsync('readings', payload, { qos: 1 });
  const tries: (() => Promise<unknown>)[] = [
    () => node.api.registerPatient(marker),
    () => node.api.registerPatient({ ...marker, userId: 'QmMarkerNobody7Zq', email: 'zqdoctor@@' }),
    () => node.api.registerPatient({ ...marker, doctor: { ...marker.doctor, name: 'Zqdoctor\n' } as never }),
    () => node.api.updatePatient(subject, { ...marker, 'Dr Zqwho': 1 } as never),
    () => node.api.updatePatient(marker.userId, marker),
    () => node.api.acknowledge('Zqpatient', 'Dr Zqwho'),
  ];
  for (const attempt of tries) {
    await attempt().then(
      () => expect.unreachable('it was to be refused'),
      (error: unknown) => refusals.push(String(error)),
    );
  }
  for (const [path, body] of [
    ['/api/v1/patients', `{"name":"${marker.name}" ${marker.email}`],
    [`/api/v1/patients/${marker.userId}/%zz`, ''],
    ['/api/v1/alerts/x/acknowledge', `{"by":"${marker.name}","__proto__":{}}`],
  ] as const) {
    const headers = { authorization: `Bearer wrong-${marker.userId}`, 'content-type': 'application/json' };
    const answer = await fetch(node.origin + path, { method: 'POST', headers, body });
    refusals.push(await answer.text());
  }
}

describe('row 53: what a person is or measured', () => {
  it('stands in no line of the log, at whatever level', () => {
    expect(log.length).toBeGreaterThan(500);
    expect(log).toContain('alert mailed');
    expect(found(Buffer.from(log))).toEqual([]);
  });

  it('stands in no metric, neither name, label nor help', () => {
    expect(metrics).toContain('ingest_readings_committed_total');
    expect(found(Buffer.from(metrics))).toEqual([]);
  });

  it('is not repeated by an answer to a request that was refused', () => {
    expect(refusals.length).toBeGreaterThan(8);
    for (const text of refusals) expect([text, found(Buffer.from(text))]).toEqual([text, []]);
  });

  it('is in no mail but for the names of those it is about and to, and in none of its links', () => {
    const mails = inbox.messages();
    expect(mails.map(({ to }) => to).sort()).toHaveLength(2);
    for (const { subject, text } of mails) {
      expect(text).not.toContain(marker.userId);
      expect(text).not.toMatch(/\d+ ?(bpm|ms|\/min)/i);
      for (const rate of rates) expect(subject + text).not.toContain(rate);
      for (const url of text.match(/https?:\S+/g) ?? [])
        expect(found(Buffer.from(decodeURIComponent(url)))).toEqual([]);
    }
  });
});

describe('row 54: a stolen disk', () => {
  it('holds nothing of a person in clear: no id, no name, no address, no measurement', () => {
    const files = filesBelow(data);
    expect(files.map(({ path }) => path).join()).toMatch(/records\.sqlite.*tables|tables.*records\.sqlite/);
    for (const { path, bytes } of [...whileRunning, ...files]) expect([path, found(bytes)]).toEqual([path, []]);
    // The search itself finds what it looks for.
    const [reading] = sampled;
    if (reading === undefined) throw new Error('no reading was sampled');
    expect(found(Buffer.concat([Buffer.from('x'), Buffer.from(encodeReading(reading))]))).not.toEqual([]);
    expect(found(Buffer.from(`..${marker.name}..`))).toEqual(['Zqpatient']);
  });

  it('does not start under another key, and is left as it is', async () => {
    const before = filesBelow(data).map(({ path, bytes }) => [path, bytes.length]);
    const other = join(place.path, 'other.key');
    await loadOrCreateIdentity(
      { file: join(place.path, 'other.json'), keyFile: other },
      { random: createSystemRandom() },
    );
    const startWith = (key: string) => WholeNode.start({ data, keyFile: key, smtpPort: inbox.smtpPort });
    await expect(startWith(other)).rejects.toMatchObject({ name: 'WrongKeyError' });
    await expect(startWith(join(place.path, 'missing.key'))).rejects.toMatchObject({ name: 'KeyFileMissingError' });
    expect(filesBelow(data).map(({ path, bytes }) => [path, bytes.length])).toEqual(before);
  });
});

describe('rows 15 and 51: everything a device ever sent, sent again to a restarted node', () => {
  it('is acknowledged and has no second effect: no record, no alert, no mail', async () => {
    const countReadings = async () => {
      await using records = await openSqliteRecords(
        { file: join(data, 'records.sqlite') },
        { random: createSystemRandom(), logger: silentLogger },
      );
      return (await records.counts())[recordKinds.reading];
    };
    expect(await countReadings()).toBe(readings.length);
    const node = await start();
    const thief = await connectDevice(node.mqttUrl, 'somebody-else');
    await publishAll(thief, readings);
    expect(await node.metrics()).toMatch(new RegExp(`ingest_readings_duplicate_total{[^}]*} ${readings.length}\\n`));
    await thief.endAsync();
    await node[Symbol.asyncDispose]();
    expect(await countReadings()).toBe(readings.length);
    expect(inbox.messages()).toHaveLength(2);
  });
});
