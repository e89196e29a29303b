import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { GatewayBackend } from './backend.ts';
import type { ConsentBackend } from './consent-backend.ts';

/** Who may call a route. What is not in this table is not served. */
export type Access =
  /** Anybody who reaches the server: nothing about a person is in it. */
  | 'public'
  /** Whoever shows the token in the `Authorization` header. */
  | 'token'
  /** As `token`, and also in the query, because an EventSource cannot send headers. */
  | 'token-or-query';

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly url: string;
  readonly access: Access;
  readonly summary: string;
  readonly body?: z.ZodType;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly answer?: z.ZodType;
  readonly status?: 200 | 201;
  /** Gives the answer's body; absent where the server itself does (board, live stream, metrics, description). */
  readonly handle?: (backend: GatewayBackend, request: FastifyRequest) => unknown;
  /** As `handle`, of what is about consent; a download is sent as a file. */
  readonly consent?: (consent: ConsentBackend, request: FastifyRequest) => unknown;
}
