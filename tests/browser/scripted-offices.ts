import { Condition } from '@pulsemesh/base';
import type { HomeOffice, ResearchOffice } from '@pulsemesh/ledger';
import type { AuditView, Hex, LeavesView, PatientConsentView, ResearchView } from '@pulsemesh/node/api';
import { domainOf, revocationDigestOf, withdrawalDigestOf } from '../../packages/ledger/src/contract/typed-data.ts';
import { verifySignatureOf } from '../../packages/ledger/src/offer/verify-signature.ts';
import { NotFoundError } from '../../packages/node/src/gateway/backend.ts';
import { type ConsentBackend, type Download, NotHereError } from '../../packages/node/src/gateway/consent-backend.ts';
import { noToken, type ScriptedMarket, scriptedChain } from './scripted-consent.ts';

const domain = domainOf(scriptedChain.chainId, scriptedChain.contract);
const verifiers = { p256: `0x${'a1'.repeat(20)}`, webAuthn: `0x${'a2'.repeat(20)}` } as const;

/** What a gateway shows of a scripted market. `origin` is that of the page, for the passkey. */
export function scriptedBackend(
  market: ScriptedMarket,
  kind: 'home' | 'research',
  origin: () => string,
): ConsentBackend {
  const home = homeOf(market, origin);
  const research = researchOf(market);
  return {
    profile: () => ({
      kind,
      ledger: market.ledger,
      organisation: kind === 'home' ? 'North clinic' : 'Institute for Rhythm',
      waiting: kind === 'home' ? waitingOf(market) : [],
    }),
    home() {
      if (kind !== 'home') throw new NotHereError('home');
      return {
        office: home,
        assertPatient(subject) {
          if (subject !== market.subject) throw new NotFoundError('patient');
        },
        waiting: () => waitingOf(market),
        exported: async (_subject, grantId, format) => download(`own-${grantId ?? 'all'}`, format),
        async inEmergency() {
          throw new Condition('emergency-not-logged', 'there is no custodian behind this office');
        },
      };
    },
    research() {
      if (kind !== 'research') throw new NotHereError('research');
      return {
        office: research,
        async data(grantId, _vital, _span, format) {
          const isAllowed = market.grants.some((grant) => grant.grantId === grantId && grant.phase === 'active');
          await market.read(grantId, isAllowed ? null : 'revoked');
          if (!isAllowed) throw new Condition('access-denied', 'the custodian refused: consent was withdrawn');
          return download('read', format);
        },
      };
    },
    audit: async () => auditOf(market),
    leaves: async (peer, from) => leavesOf(market, peer, from),
    rpc: async () => ({}),
    subscribe(handler) {
      return market.onChange(() => {
        handler({ type: 'consent', subject: kind === 'home' ? market.subject : null });
        handler({ type: 'ledger', head: String(market.head) });
      });
    },
  };
}

function download(name: string, format: string): Download {
  return format === 'fhir'
    ? { fileName: `${name}.json`, contentType: 'application/fhir+json', body: '{"resourceType":"Bundle"}' }
    : { fileName: `${name}.csv`, contentType: 'text/csv', body: 't,bpm\n' };
}

function waitingOf(market: ScriptedMarket) {
  const asks = market.asks.filter(({ state }) => state === 'waiting').length;
  return asks === 0 ? [] : [{ subject: market.subject, asks, alarms: 0 }];
}

function homeOf(market: ScriptedMarket, origin: () => string): HomeOffice {
  const isOf = (grantId: Hex) => market.grants.find((grant) => grant.grantId === grantId);
  const drawn = new Set<Hex>();
  return {
    view: () => patientView(market, drawn),
    onChange: () => ({ [Symbol.dispose]() {} }),
    async setAskable(_subject, isAskable) {
      market.isAskable = isAskable;
      market.changed();
    },
    async enrolPasskey(_subject, { credentialId, publicKey }) {
      market.passkey = { credentialId, publicKey, enrolledMs: market.nowMs() };
      market.changed();
    },
    draft: async (askId, _subject, price) => market.draft(askId, price),
    accept: (_subject, input) => market.accept(input, origin()),
    refuse: async (askId) => market.setAsk(askId, 'refused'),
    counter: async (askId) => market.setAsk(askId, 'countered'),
    async revoke(grantId, signature) {
      const signer = isOf(grantId)?.signing?.signer ?? '0x';
      const digest = revocationDigestOf({ offer: grantId }, domain);
      await assertSigned({ signer, digest, signature });
      market.setPhase(grantId, 'revoked');
    },
    async withdraw(grantId, to, amount, nonce, until, signature) {
      const signer = isOf(grantId)?.signing?.signer ?? '0x';
      const digest = withdrawalDigestOf({ signer, token: noToken, to, amount, nonce, until }, domain);
      await assertSigned({ signer, digest, signature });
      drawn.add(grantId);
      market.changed();
      return market.next(32);
    },
    async erase() {
      market.passkey = null;
      for (const list of [market.grants, market.accesses, market.asks]) list.length = 0;
      market.changed();
    },
    async takeEmergency() {
      throw new Condition('served-wrong', 'there is no custodian behind this office');
    },
    catalogue: async () => market.catalogue[0] as (typeof market.catalogue)[number],
    async [Symbol.asyncDispose]() {},
  };
}

async function assertSigned(claim: { readonly signer: Hex; readonly digest: Hex; readonly signature: Hex }) {
  const verdict = await verifySignatureOf(claim, verifiers);
  if (verdict !== 'valid') throw new Condition('signature-refused', `the signature is ${verdict}`);
}

function patientView(market: ScriptedMarket, drawn: ReadonlySet<Hex>): PatientConsentView {
  const paid = market.grants.filter(({ phase }) => phase === 'active' || phase === 'revoked');
  return {
    subject: market.subject,
    isAskable: market.isAskable,
    passkey:
      market.passkey === null
        ? null
        : { credentialId: market.passkey.credentialId, enrolledMs: market.passkey.enrolledMs },
    asks: market.asks,
    grants: market.grants,
    accesses: market.accesses,
    alarms: market.accesses
      .filter(({ kind }) => kind === 'denied')
      .map(({ custodian, grantId, atMs, index }) => ({
        alarmId: `denied-${index}`,
        kind: 'denied-read',
        custodian,
        grantId,
        atMs,
        text: 'A read was asked for after consent had ended. Nothing was handed out.',
      })),
    earnings: {
      amounts: paid.map(({ grantId, price }) => ({
        ...price,
        grantId,
        payee: noToken,
        withdrawable: drawn.has(grantId) ? '0' : price.units,
        nonce: drawn.has(grantId) ? '1' : '0',
      })),
    },
  };
}

function researchOf(market: ScriptedMarket): ResearchOffice {
  return {
    view: () => researchView(market),
    onChange: () => ({ [Symbol.dispose]() {} }),
    bindingFor: (account) => ({
      typedData: JSON.stringify({
        domain: { name: 'Pulsemesh account binding', version: '1' },
        types: {
          EIP712Domain: [
            { name: 'name', type: 'string' },
            { name: 'version', type: 'string' },
          ],
          Binding: [{ name: 'account', type: 'address' }],
        },
        primaryType: 'Binding',
        message: { account },
      }),
    }),
    async bind(account) {
      market.accounts.push(account);
      market.changed();
    },
    async ask(input) {
      const ask = market.ask({
        title: input.title,
        purpose: input.purpose,
        explanation: input.explanation,
        vitals: input.vitals,
        fromMs: input.fromSeconds * 1000,
        untilMs: input.untilSeconds * 1000,
        accessForMs: input.accessForSeconds * 1000,
        price: { units: input.price.toString(), token: noToken, symbol: 'units', decimals: 2 },
      });
      return ask.askId;
    },
    purchaseTransaction: async ([grantId]) => {
      const grant = market.grants.find((one) => one.grantId === grantId);
      return {
        to: scriptedChain.contract,
        data: grantId ?? '0x',
        value: `0x${BigInt(grant?.price.units ?? 0).toString(16)}`,
        chainId: scriptedChain.chainId,
      };
    },
    receiptFor: (grantId) => ({ typedData: receiptText(grantId) }),
    async confirm(grantId) {
      market.setPhase(grantId, 'active', market.nowMs() + 30 * 86_400_000);
    },
    async refund(grantId) {
      market.setPhase(grantId, 'refunded');
      return market.next(32);
    },
    async disputeTransaction(grantId) {
      return { to: scriptedChain.contract, data: grantId, value: '0x0', chainId: scriptedChain.chainId };
    },
    async dispute() {
      throw new Condition('no-signer', 'this office has no account of its own');
    },
    async buy() {
      throw new Condition('no-signer', 'this office has no account of its own');
    },
    async read() {
      throw new Condition('not-scripted', 'reads go through the desk');
    },
    async [Symbol.asyncDispose]() {},
  };
}

function receiptText(grantId: Hex): string {
  const types = {
    Receipt: [
      { name: 'offer', type: 'bytes32' },
      { name: 'delivery', type: 'bytes32' },
    ],
  };
  const message = { offer: grantId, delivery: `0x${'1'.repeat(64)}` };
  return JSON.stringify({ domain, types, primaryType: 'Receipt', message });
}

function researchView(market: ScriptedMarket): ResearchView {
  return {
    organisation: 'Institute for Rhythm',
    self: market.researcher.peerId,
    signer: null,
    accounts: market.accounts,
    catalogue: market.catalogue,
    asks: market.asks.map(({ subject: _subject, state, researcher: _researcher, isKnown: _isKnown, ...ask }) => ({
      ...ask,
      home: market.catalogue[0]?.home ?? '',
      offers: market.grants.filter(({ askId }) => askId === ask.askId).length,
      counters:
        state === 'countered'
          ? [{ handle: 'handle-1', price: { ...ask.price, units: '2000' }, note: 'For my time.' }]
          : [],
    })),
    grants: market.grants.map((grant) => ({ ...grant, subject: null, signing: null })),
    accesses: market.accesses,
  };
}

function auditOf(market: ScriptedMarket): AuditView {
  return {
    ledger: market.ledger,
    events: market.anchors.map(({ root, count, transaction, atMs }, index) => ({
      at: String(market.head - index),
      place: 0,
      timeMs: atMs,
      transaction: transaction ?? '0x',
      kind: 'anchored',
      grantId: null,
      status: null,
      amount: null,
      custodian: market.custodians[0]?.account ?? null,
      root,
      count,
    })),
    anchors: market.anchors,
    custodians: market.custodians.map(({ author, log, account }) => ({
      peer: author.peerId,
      logKey: log.logKey,
      account,
      checkpoint: Buffer.from(log.checkpoint.note).toString('base64'),
      size: log.checkpoint.size,
    })),
  };
}

function leavesOf(market: ScriptedMarket, peer: string, from: number): LeavesView {
  const custodian = market.custodians.find(({ author }) => author.peerId === peer);
  if (custodian === undefined) throw new NotFoundError('custodian');
  return {
    from,
    leaves: custodian.log.leaves(from, 1_000).map((leaf) => Buffer.from(leaf).toString('hex')),
    checkpoint: Buffer.from(custodian.log.checkpoint.note).toString('base64'),
  };
}
