export { type TlsRefusal, TlsRefusedError } from './errors.ts';
export { tlsLimits } from './limits.ts';
export { type NativeTlsComponents, type NativeTlsDependencies, type NativeTlsInit, nativeTls } from './native-tls.ts';
export { createQuietLogger } from './quiet-logger.ts';
export { nativeTcp, tcpLimits } from './tcp-transport.ts';
