import { Condition, silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import type { HomeOffice, ResearchOffice } from '@pulsemesh/ledger';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { GrantView, Hex, PatientConsentView } from '../api/types.ts';
import { NotFoundError } from './backend.ts';
import { type ConsentBackend, type HomeDesk, noConsent, OfficeStartingError } from './consent-backend.ts';
import { createFakeBackend } from './fake-backend.ts';
import { buildHttpApp } from './http-server.ts';
import { LiveStreams } from './live-stream.ts';

const token = 'T'.repeat(43);
const ada = 'ab'.repeat(16);
const bo = 'cd'.repeat(16);
const askId = '12'.repeat(16);
const grantOf = (subject: string): Hex => `0x${subject}${subject}`;
const signature: Hex = `0x${'34'.repeat(65)}`;
const account: Hex = `0x${'56'.repeat(20)}`;
const assertion = { credentialId: 'AQ', authenticatorData: 'AQ', clientData: 'AQ', signature: 'AQ' };

function viewOf(subject: string): PatientConsentView {
  const grants = [{ grantId: grantOf(subject) } as GrantView]; // what the routes look at
  const view = { subject, isAskable: true, passkey: null, asks: [], grants, accesses: [], alarms: [] };
  return { ...view, earnings: { amounts: [] } };
}

function homeOffice() {
  return {
    view: viewOf,
    setAskable: vi.fn(async () => {}),
    enrolPasskey: vi.fn(async () => {}),
    draft: vi.fn(async () => ({ draftId: 'd' })),
    accept: vi.fn(async () => grantOf(ada)),
    refuse: vi.fn(async () => {}),
    counter: vi.fn(async () => {}),
    revoke: vi.fn(async () => {}),
    withdraw: vi.fn(async () => grantOf(bo)),
    erase: vi.fn(async () => {}),
  };
}

function researchOffice() {
  return {
    view: () => ({ grants: [] }),
    ask: vi.fn(async () => askId),
    buy: vi.fn(async () => grantOf(bo)),
    dispute: vi.fn(async () => grantOf(bo)),
    disputeTransaction: async () => ({ to: account, data: '0x', value: '0x0', chainId: 1 }),
  };
}

const apps: FastifyInstance[] = [];
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

async function build(parts: Partial<ConsentBackend> = {}) {
  const office = homeOffice();
  const research = researchOffice();
  const inEmergency = vi.fn<HomeDesk['inEmergency']>(async (subject) => ({
    fileName: 'records.json',
    contentType: 'application/fhir+json',
    body: subject,
  }));
  const consent: ConsentBackend = {
    ...noConsent,
    home: () => ({
      office: office as unknown as HomeOffice, // what the routes call
      assertPatient(subject) {
        if (subject !== ada && subject !== bo) throw new NotFoundError('patient');
      },
      inEmergency,
      exported: async (subject, grantId, format) => ({
        fileName: `own.${format}`,
        contentType: 'text/csv',
        body: `${subject} ${grantId}`,
      }),
    }),
    research: () => ({
      office: research as unknown as ResearchOffice, // what the routes call
      data: async (grantId, vital) => ({ fileName: 'data.csv', contentType: 'text/csv', body: `${grantId} ${vital}` }),
    }),
    ...parts,
  };
  const deps = { clock: new VirtualClock(), logger: silentLogger, meter: silentMeter };
  const options = { host: '', port: 0, token, hostNames: [], webDirectory: null, version: '1', consent };
  const app = await buildHttpApp(options, createFakeBackend(), deps, new LiveStreams({}, deps.clock));
  apps.push(app);
  const ask = async (method: 'GET' | 'POST' | 'PUT', url: string, payload?: unknown) => {
    const headers = { authorization: `Bearer ${token}` };
    return app.inject({ method, url, headers, payload } as InjectOptions);
  };
  return { ask, office, research, inEmergency };
}

const consentOf = (subject: string) => `/api/v1/patients/${subject}/consent`;

describe('the routes of consent', () => {
  it('hands what a patient says to the office, amounts and keys as what they are', async () => {
    const { ask, office } = await build();
    const publicKey = Buffer.alloc(65, 4);
    const passkey = { credentialId: 'AQ', publicKey: publicKey.toString('base64url'), approval: null };
    expect((await ask('POST', `${consentOf(ada)}/passkey`, passkey)).json()).toEqual(viewOf(ada));
    expect(office.enrolPasskey).toHaveBeenCalledWith(ada, { ...passkey, publicKey: new Uint8Array(publicKey) });
    await ask('POST', `${consentOf(ada)}/asks/${askId}/draft`, { price: '12' });
    await ask('POST', `${consentOf(ada)}/asks/${askId}/counter`, { price: '99', note: '' });
    expect(office.draft).toHaveBeenCalledWith(askId, ada, 12n);
    expect(office.counter).toHaveBeenCalledWith(askId, ada, 99n, '');
    const accepted = await ask('POST', `${consentOf(ada)}/accept`, {
      draftId: 'd',
      signer: account,
      signature,
      assertion,
    });
    expect([accepted.statusCode, accepted.json()]).toEqual([201, { grantId: grantOf(ada) }]);
    const withdrawal = { to: account, amount: '5', nonce: '0', until: 9, signature };
    await ask('POST', `${consentOf(ada)}/grants/${grantOf(ada)}/withdraw`, withdrawal);
    expect(office.withdraw).toHaveBeenCalledWith(grantOf(ada), account, 5n, 0n, 9, signature);
  });

  it("speaks of a grant under its own patient's name only", async () => {
    const { ask, office } = await build();
    const others = `${consentOf(bo)}/grants/${grantOf(ada)}`;
    expect((await ask('POST', `${others}/revoke`, { signature })).statusCode).toBe(404);
    const withdrawal = { to: account, amount: '5', nonce: '0', until: 9, signature };
    expect((await ask('POST', `${others}/withdraw`, withdrawal)).statusCode).toBe(404);
    expect((await ask('GET', `${consentOf(bo)}/export?format=csv&grantId=${grantOf(ada)}`)).statusCode).toBe(404);
    expect(office.revoke).not.toHaveBeenCalled();
    expect(office.withdraw).not.toHaveBeenCalled();
  });

  it('knows nobody who is no patient of this home', async () => {
    const { ask, office } = await build();
    const nobody = consentOf('ef'.repeat(16));
    expect((await ask('GET', nobody)).statusCode).toBe(404);
    expect((await ask('POST', `${nobody}/erase`, { confirmation: 'erase' })).statusCode).toBe(404);
    expect(office.erase).not.toHaveBeenCalled();
  });

  it.each([
    ['an erasure without its word', 'erase', {}],
    ['a price that is no whole number', `asks/${askId}/draft`, { price: '1.5' }],
    ['a price past 96 bits', `asks/${askId}/draft`, { price: '9'.repeat(30) }],
    ['a signature with half a byte', `grants/${grantOf(ada)}/revoke`, { signature: '0x123' }],
    ['a field nobody knows', 'askable', { isAskable: true, isAdmin: true }],
    ['a note too long', `asks/${askId}/counter`, { price: '1', note: 'x'.repeat(501) }],
  ])('refuses %s', async (_what, path, payload) => {
    const { ask } = await build();
    const method = path === 'askable' ? 'PUT' : 'POST';
    expect((await ask(method, `${consentOf(ada)}/${path}`, payload)).statusCode).toBe(400);
  });

  it('opens in an emergency for who says who and why, in one line each, by the token, at a home and for its patients', async () => {
    const { ask, inEmergency } = await build();
    const url = `${consentOf(ada)}/emergency?format=fhir`;
    const why = { by: 'Dr. Who', reason: 'unconscious, no relatives' };
    const wrongs = [
      { by: 'Dr. Who' },
      { ...why, reason: '' },
      { ...why, by: 'two\nlines' },
      { ...why, by: 'x'.repeat(61) },
    ];
    for (const wrong of wrongs) expect((await ask('POST', url, wrong)).statusCode).toBe(400);
    expect((await ask('GET', url)).statusCode).toBe(404);
    expect((await ask('POST', `${consentOf('ef'.repeat(16))}/emergency?format=fhir`, why)).statusCode).toBe(404);
    expect(inEmergency).not.toHaveBeenCalled();
    const given = await ask('POST', url, why);
    expect([given.statusCode, given.body]).toEqual([200, ada]);
    expect(given.headers).toMatchObject({ 'cache-control': 'no-store' });
    expect(inEmergency).toHaveBeenCalledWith(ada, why, 'fhir');
    const elsewhere = await build({ home: noConsent.home });
    expect((await elsewhere.ask('POST', url, why)).statusCode).toBe(404);
  });

  it('turns a researcher’s words into what the office takes', async () => {
    const { ask, research } = await build();
    const home = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA';
    const words = { title: 't', purpose: 'research/rhythm', explanation: 'e', vitals: ['readings'] };
    const times = { fromMs: 1_500, untilMs: 7_200_000, accessForMs: 3_600_000, validForMs: 60_000 };
    const asked = await ask('POST', '/api/v1/research/asks', {
      home,
      criteria: {},
      ...words,
      ...times,
      price: '0',
      account,
    });
    expect([asked.statusCode, asked.json()]).toEqual([201, { askId }]);
    expect(research.ask).toHaveBeenCalledWith({
      ...words,
      ...{ home, criteria: {}, account, price: 0n, token: `0x${'0'.repeat(40)}` },
      ...{ fromSeconds: 1, untilSeconds: 7_200, accessForSeconds: 3_600, validForSeconds: 60 },
    });
  });

  it('disputes with the own signer by POST, and tells by GET what a wallet sends', async () => {
    const { ask, research } = await build();
    const dispute = `/api/v1/research/grants/${grantOf(ada)}/dispute`;
    expect((await ask('GET', dispute)).json()).toEqual({ to: account, data: '0x', value: '0x0', chainId: 1 });
    expect(research.dispute).not.toHaveBeenCalled();
    expect((await ask('POST', dispute)).json()).toEqual({ transaction: grantOf(bo) });
    expect(research.dispute).toHaveBeenCalledWith(grantOf(ada));
  });

  it('sends data as a file', async () => {
    const { ask } = await build();
    const sent = await ask('GET', `/api/v1/research/grants/${grantOf(ada)}/data?format=csv&vital=windows`);
    expect(sent.headers).toMatchObject({
      'content-disposition': 'attachment; filename="data.csv"',
      'content-type': 'text/csv',
      'cache-control': 'no-store',
    });
    expect(sent.body).toBe(`${grantOf(ada)} windows`);
  });

  it('says what it is not, and what is not there yet', async () => {
    const starting = () => {
      throw new OfficeStartingError(new Condition('ledger-unreachable', 'x'));
    };
    const { ask } = await build({ home: starting, research: noConsent.research });
    const away = await ask('GET', consentOf(ada));
    expect([away.statusCode, away.json().code]).toEqual([503, 'office-starting']);
    const never = await ask('GET', '/api/v1/research');
    expect([never.statusCode, never.json().code]).toEqual([404, 'not-here']);
    expect((await ask('GET', '/api/v1/profile')).json()).toMatchObject({ kind: 'network', ledger: null });
    expect((await ask('POST', '/api/rpc', { method: 'eth_chainId' })).statusCode).toBe(404);
  });
});
