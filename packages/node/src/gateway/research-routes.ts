import { parsePeerId } from '@pulsemesh/wire';
import type { FastifyRequest } from 'fastify';
import type { AskRequest, BindInput, Hex, SignatureInput, VitalKind } from '../api/types.ts';
import { NotFoundError } from './backend.ts';
import type { ExportFormat } from './consent-backend.ts';
import * as schemas from './consent-schemas.ts';
import type { Route } from './route.ts';

// The schema of each route has checked params, query and body before its handler runs; the casts below say so.

const noToken: Hex = `0x${'0'.repeat(40)}`;
const research = '/api/v1/research';

/** What a researcher and its office say to each other. */
export const researchRoutes: readonly Route[] = [
  {
    method: 'GET',
    url: research,
    access: 'token',
    summary: 'What is offered, what was asked, granted and read',
    answer: schemas.researchView,
    consent: (consent) => consent.research().office.view(),
  },
  {
    method: 'POST',
    url: `${research}/asks`,
    access: 'token',
    summary: 'Ask patients of a home',
    body: schemas.askRequest,
    answer: schemas.askedView,
    status: 201,
    consent: async (consent, request) => {
      const { office } = consent.research();
      return { askId: await office.ask(askInputOf(request.body as AskRequest)) };
    },
  },
  {
    method: 'GET',
    url: `${research}/binding`,
    access: 'token',
    summary: 'What a wallet signs to say that it pays for this office',
    query: schemas.bindingQuery,
    answer: schemas.toSignView,
    consent: (consent, request) => consent.research().office.bindingFor((request.query as { account: Hex }).account),
  },
  {
    method: 'POST',
    url: `${research}/bind`,
    access: 'token',
    summary: 'Bind a wallet to this office',
    body: schemas.bindInput,
    answer: schemas.researchView,
    consent: async (consent, request) => {
      const { office } = consent.research();
      const { account, signature } = request.body as BindInput;
      await office.bind(account, signature);
      return office.view();
    },
  },
  {
    method: 'GET',
    url: `${research}/grants/:grantId/transaction`,
    access: 'token',
    summary: 'What a wallet sends to buy a grant',
    params: schemas.grantParams,
    answer: schemas.transactionView,
    consent: (consent, request) => consent.research().office.purchaseTransaction([grantOf(request)]),
  },
  {
    method: 'POST',
    url: `${research}/grants/:grantId/bought`,
    access: 'token',
    summary: 'Say that a wallet has sent the purchase; the ledger is waited for all the same',
    params: schemas.grantParams,
    body: schemas.boughtInput,
    answer: schemas.researchView,
    consent: (consent, request) => {
      const { office } = consent.research();
      const view = office.view();
      if (!view.grants.some(({ grantId }) => grantId === grantOf(request))) throw new NotFoundError('grant');
      return view;
    },
  },
  {
    method: 'POST',
    url: `${research}/grants/:grantId/buy`,
    access: 'token',
    summary: "Buy a grant with the office's own signer",
    params: schemas.grantParams,
    answer: schemas.transactionDone,
    consent: async (consent, request) => ({
      transaction: await consent.research().office.buy([grantOf(request)]),
    }),
  },
  {
    method: 'POST',
    url: `${research}/grants/:grantId/refund`,
    access: 'token',
    summary: 'Claim the money back where the key did not come in time',
    params: schemas.grantParams,
    answer: schemas.transactionDone,
    consent: async (consent, request) => ({
      transaction: await consent.research().office.refund(grantOf(request)),
    }),
  },
  {
    method: 'GET',
    url: `${research}/grants/:grantId/dispute`,
    access: 'token',
    summary: 'What a wallet sends to say that the key on the ledger is worth nothing',
    params: schemas.grantParams,
    answer: schemas.transactionView,
    consent: (consent, request) => consent.research().office.disputeTransaction(grantOf(request)),
  },
  {
    method: 'POST',
    url: `${research}/grants/:grantId/dispute`,
    access: 'token',
    summary: "Say so with the office's own signer: the arbiter divides the price",
    params: schemas.grantParams,
    answer: schemas.transactionDone,
    consent: async (consent, request) => ({
      transaction: await consent.research().office.dispute(grantOf(request)),
    }),
  },
  {
    method: 'GET',
    url: `${research}/grants/:grantId/receipt`,
    access: 'token',
    summary: 'What a wallet signs once the key is here',
    params: schemas.grantParams,
    answer: schemas.receiptAnswer,
    consent: (consent, request) => ({ receipt: consent.research().office.receiptFor(grantOf(request)) }),
  },
  {
    method: 'POST',
    url: `${research}/grants/:grantId/confirm`,
    access: 'token',
    summary: 'Confirm that the key is here: the patient is paid',
    params: schemas.grantParams,
    body: schemas.signatureInput,
    answer: schemas.researchView,
    consent: async (consent, request) => {
      const { office } = consent.research();
      await office.confirm(grantOf(request), (request.body as SignatureInput).signature);
      return office.view();
    },
  },
  {
    method: 'GET',
    url: `${research}/grants/:grantId/data`,
    access: 'token',
    summary: 'Read under a grant, as a file; the patient sees it',
    params: schemas.grantParams,
    query: schemas.dataQuery,
    consent: (consent, request) => {
      const { format, vital, fromMs, untilMs } = request.query as {
        format: ExportFormat;
        vital?: VitalKind;
        fromMs?: number;
        untilMs?: number;
      };
      const span = { fromMs: fromMs ?? null, untilMs: untilMs ?? null };
      return consent.research().data(grantOf(request), vital ?? null, span, format);
    },
  },
];

/** The grant of a route's address. */
export function grantOf(request: FastifyRequest): Hex {
  return (request.params as { grantId: Hex }).grantId;
}

function askInputOf(asked: AskRequest) {
  const { fromMs, untilMs, accessForMs, validForMs, price, token, home: peer, ...rest } = asked;
  return {
    ...rest,
    home: parsePeerId(peer),
    fromSeconds: Math.floor(fromMs / 1000),
    untilSeconds: Math.ceil(untilMs / 1000),
    accessForSeconds: Math.ceil(accessForMs / 1000),
    validForSeconds: Math.ceil(validForMs / 1000),
    price: BigInt(price),
    token: token ?? noToken,
  };
}
