export { createClientSession } from './client-session.ts';
export { sessionConstants, sessionLimits } from './limits.ts';
export { createSessionServer } from './session-server.ts';
