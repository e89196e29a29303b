import { existsSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import fastifySwagger from '@fastify/swagger';
import { type Clock, Condition, errorCode, errorMessage, type Logger, type Meter } from '@pulsemesh/base';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { GatewayBackend } from './backend.ts';
import { bearerOf, isToken } from './bearer-token.ts';
import type { BoardSource } from './board-source.ts';
import { type ConsentBackend, type Download, noConsent } from './consent-backend.ts';
import { isDownload } from './consent-routes.ts';
import { isOwnHost, isOwnOrigin, securityHeaders } from './guards.ts';
import { LiveStreams, type LiveStreamsOptions } from './live-stream.ts';
import type { Access, Route } from './route.ts';
import { boardPath, boardPlacePath, descriptionPath, livePath, metricsPath, routes } from './routes.ts';
import { errorAnswer, jsonSchema } from './schemas.ts';

export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly token: string;
  readonly hostNames: readonly string[];
  /** The built page; null serves the API alone. */
  readonly webDirectory: string | null;
  readonly version: string;
  /** The board that the page shows; without, there is nothing at its addresses. The caller closes it. */
  readonly board?: BoardSource | null;
  /** Consent, compensation and access; default none. The caller closes it. */
  readonly consent?: ConsentBackend;
  readonly live?: LiveStreamsOptions;
  /** A client that dribbles its request (slowloris) is cut off after this; default 6,000. */
  readonly headersTimeoutMs?: number;
  /** One that dribbles its body is cut off after this, from the request's first byte; default 8,000. */
  readonly requestTimeoutMs?: number;
  /** Connections at once; more are closed unanswered. Default 512. */
  readonly connectionsMax?: number;
}

export interface HttpServerDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
}

/** The gateway's HTTP server; dispose it to close it and every stream. */
export interface HttpServer extends AsyncDisposable {
  readonly port: number;
}

const bodyBytesMax = 64 * 1024;
const connectionsMaxDefault = 512;
const requestTimeoutMsDefault = 8_000;

/**
 * Serves the API and the page. Deny by default: a route that is not in the table is not served, and a request
 * without the access that the table asks for gets 401.
 * @throws Node's EADDRINUSE and EACCES.
 */
export async function startHttpServer(
  options: HttpServerOptions,
  backend: GatewayBackend,
  deps: HttpServerDependencies,
): Promise<HttpServer> {
  const streams = new LiveStreams(options.live ?? {}, deps.clock);
  const app = await buildHttpApp(options, backend, deps, streams);
  const subscription = new DisposableStack();
  subscription.use(backend.subscribe((event) => streams.send(event)));
  subscription.use((options.consent ?? noConsent).subscribe((event) => streams.send(event)));
  try {
    await app.listen({ host: options.host, port: options.port });
  } catch (error) {
    subscription[Symbol.dispose]();
    await app.close();
    throw error;
  }
  app.server.maxConnections = options.connectionsMax ?? connectionsMaxDefault;
  return {
    // `listen` on TCP gives an address with a port.
    port: (app.server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      subscription[Symbol.dispose]();
      streams[Symbol.dispose]();
      await app.close();
    },
  };
}

/** The routes without a listening socket: for {@link startHttpServer}, tests and the description. */
export async function buildHttpApp(
  options: HttpServerOptions,
  backend: GatewayBackend,
  deps: HttpServerDependencies,
  streams: LiveStreams,
): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: bodyBytesMax,
    requestTimeout: options.requestTimeoutMs ?? requestTimeoutMsDefault,
    forceCloseConnections: true,
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    routerOptions: { maxParamLength: 128 },
    ajv: { customOptions: { removeAdditional: false, allErrors: false } },
    // An address that cannot be decoded comes past every hook; Fastify's own answer would repeat it.
    frameworkErrors: (_error, _request, reply) =>
      void refuse(reply.headers(securityHeaders), 400, 'bad-request', 'the address cannot be read'),
    http: { headersTimeout: options.headersTimeoutMs ?? 6_000, connectionsCheckingInterval: 500 },
  });
  // What goes out is made by typed code; its schema is there to be read, not to filter.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  addGuards(app, options);
  addErrors(app, deps);
  await app.register(fastifySwagger, { openapi: description(options.version) });
  app.after(() => addRoutes(app, options, backend, deps, streams));
  await addPage(app, options.webDirectory);
  await app.ready();
  return app;
}

function addGuards(app: FastifyInstance, options: HttpServerOptions): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(securityHeaders);
    if (!isOwnHost(request.headers.host, options.hostNames)) {
      return refuse(reply, 421, 'wrong-host', 'this server does not answer to that name');
    }
    const isReading = request.method === 'GET' || request.method === 'HEAD';
    if (!isReading && !isOwnOrigin(request.headers)) {
      return refuse(reply, 403, 'foreign-origin', 'requests from other pages are not accepted');
    }
    return undefined;
  });
}

function addErrors(app: FastifyInstance, deps: HttpServerDependencies): void {
  const refused = deps.meter.counter('pulsemesh_http_errors_total', 'Requests answered with an error', ['status']);
  app.setNotFoundHandler((_request, reply) => refuse(reply, 404, 'not-found', 'there is nothing at this address'));
  app.setErrorHandler((error, request, reply) => {
    const status = statusOf(error);
    refused.add(1, { status: String(status) });
    if (status === 500) {
      // The text may hold what a patient typed: only the code and the route are logged.
      deps.logger.error('request failed', { code: errorCode(error), route: request.routeOptions.url });
      return refuse(reply, 500, 'internal', 'something went wrong here; the log of this node says what');
    }
    return refuse(reply, status, error instanceof Condition ? error.code : 'bad-request', errorMessage(error));
  });
}

function addRoutes(
  app: FastifyInstance,
  options: HttpServerOptions,
  backend: GatewayBackend,
  deps: HttpServerDependencies,
  streams: LiveStreams,
): void {
  const seconds = deps.meter.histogram(
    'pulsemesh_http_request_seconds',
    'Time to answer a request',
    [0.005, 0.02, 0.1, 0.5, 2, 8],
    ['route'],
  );
  for (const route of routes) {
    const respond = responder(app, route, options, backend, streams);
    app.route({
      method: route.method,
      url: route.url,
      // A stream has no end, and so no HEAD: asked for one it would keep a listener's place and never answer.
      exposeHeadRoute: route.url !== livePath,
      schema: schemaOf(route),
      onRequest: accessCheck(route.access, options.token),
      handler: respond,
      onResponse: async (_request, reply) => seconds.observe(reply.elapsedTime / 1000, { route: route.url }),
    });
  }
}

function accessCheck(access: Access, token: string) {
  return async (request: FastifyRequest, reply: FastifyReply) => {
    if (access === 'public') return undefined;
    const inQuery = access === 'token-or-query' ? (request.query as { token?: unknown }).token : undefined;
    const given = bearerOf(request.headers.authorization) ?? (typeof inQuery === 'string' ? inQuery : undefined);
    if (isToken(given, token)) return undefined;
    reply.header('www-authenticate', 'Bearer');
    return refuse(reply, 401, 'no-access', 'this needs the access token that `pulsemesh start` prints');
  };
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown;

function responder(
  app: FastifyInstance,
  route: Route,
  { board = null, consent: consentBackend = noConsent }: HttpServerOptions,
  backend: GatewayBackend,
  streams: LiveStreams,
): Handler {
  const { handle, consent } = route;
  if (handle !== undefined) {
    return async (request, reply) => {
      reply.header('cache-control', 'no-store');
      return reply.code(route.status ?? 200).send(await handle(backend, request));
    };
  }
  if (consent !== undefined) {
    return async (request, reply) => {
      reply.header('cache-control', 'no-store');
      const answer = await consent(consentBackend, request);
      return isDownload(answer) ? sendFile(reply, answer) : reply.code(route.status ?? 200).send(answer);
    };
  }
  switch (route.url) {
    case livePath:
      return (_request, reply) => startStream(reply, backend, streams);
    case metricsPath:
      return async (_request, reply) =>
        reply.type('text/plain; version=0.0.4; charset=utf-8').send(await backend.metrics());
    case boardPlacePath:
      return (_request, reply) => reply.header('cache-control', 'no-store').send({ board: board?.place ?? null });
    case boardPath:
      return (request, reply) => readBoard(board, request, reply);
    case descriptionPath:
      return (_request, reply) => reply.send(app.swagger());
    default:
      throw new TypeError(`no handler for ${route.url}`);
  }
}

function sendFile(reply: FastifyReply, { fileName, contentType, body }: Download): FastifyReply {
  return reply.type(contentType).header('content-disposition', `attachment; filename="${fileName}"`).send(body);
}

/** The path goes on as it was sent, not as it decodes: what needs decoding is not spelt as a board spells it. */
async function readBoard(
  board: BoardSource | null,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (board === null) return refuse(reply, 404, 'not-found', 'this gateway shows no board');
  const path = request.url.slice(boardPath.length - 1);
  const knownEtag = request.headers['if-none-match'] ?? null;
  const { status, body, headers } = await board.read(path, { knownEtag });
  if (status === 404) return refuse(reply, 404, 'not-found', 'the board has nothing at this address');
  return reply.code(status).headers(headers).type('application/octet-stream').send(body);
}

function startStream(reply: FastifyReply, backend: GatewayBackend, streams: LiveStreams): void {
  streams.assertRoom();
  reply.hijack();
  reply.raw.writeHead(200, {
    ...securityHeaders,
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  streams.add(reply.raw, [
    { type: 'overview', overview: backend.overview() },
    { type: 'patients', patients: backend.patients() },
    { type: 'network', network: backend.network() },
  ]);
}

async function addPage(app: FastifyInstance, webDirectory: string | null): Promise<void> {
  if (webDirectory === null || !existsSync(join(webDirectory, 'index.html'))) return;
  await app.register(fastifyStatic, {
    root: webDirectory,
    index: 'index.html',
    dotfiles: 'deny',
    setHeaders(reply, path) {
      // File names of the build carry a hash of their content; the entry page does not.
      reply.header('cache-control', path.endsWith('.html') ? 'no-cache' : 'public, max-age=3600');
    },
  });
}

function schemaOf(route: Route): Record<string, unknown> {
  return {
    summary: route.summary,
    ...(route.access === 'public' ? { security: [] } : {}),
    ...(route.body === undefined ? {} : { body: jsonSchema(route.body) }),
    ...(route.params === undefined ? {} : { params: jsonSchema(route.params) }),
    ...(route.query === undefined ? {} : { querystring: jsonSchema(route.query) }),
    response: {
      ...(route.answer === undefined ? {} : { [route.status ?? 200]: jsonSchema(route.answer) }),
      '4xx': jsonSchema(errorAnswer),
    },
  };
}

function description(version: string) {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Pulsemesh gateway',
      version,
      description: 'Hearts, windows, alerts and peers of one Pulsemesh network. Screening, not diagnosis.',
    },
    components: { securitySchemes: { token: { type: 'http' as const, scheme: 'bearer' } } },
    security: [{ token: [] }],
  };
}

/** The rest is 503 where trying again may help, else 400. */
const statusOfCode: Readonly<Record<string, number>> = {
  'not-found': 404,
  'not-here': 404,
  'already-registered': 409,
  'ask-gone': 409,
  'offer-gone': 409,
  'not-known': 404,
  'access-denied': 403,
};

function statusOf(error: unknown): number {
  if (error instanceof Condition) {
    const status = statusOfCode[error.code];
    if (status !== undefined) return status;
    return error.retryable ? 503 : 400;
  }
  // Fastify's own refusals (schema, body size, content type) carry a status below 500.
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : 500;
}

function refuse(reply: FastifyReply, status: number, code: string, message: string): FastifyReply {
  return reply.code(status).type('application/json').header('cache-control', 'no-store').send({ code, message });
}
