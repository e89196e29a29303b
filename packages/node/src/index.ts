export { describeEpsilon } from '@pulsemesh/overlay/epsilon';
export { ApiClient, type ApiClientOptions, GatewayRefusedError, GatewayUnreachableError } from './client/api-client.ts';
export { ConsentClient } from './client/consent-client.ts';
export { ConfigError } from './config/config-error.ts';
export type { LedgerChoice } from './config/consent-settings.ts';
export { dataDirectory, type PlatformFacts } from './config/data-directory.ts';
export {
  type NodeConfig,
  type NodeConfigInput,
  type NodeSecrets,
  parseNodeConfig,
  readNodeConfig,
  readNodeSecrets,
  readPeerList,
} from './config/node-config.ts';
export { demoTokenFile, readDemoGateway, readDemoResearch } from './demo/find-demo.ts';
export { readToken } from './gateway/bearer-token.ts';
export { watchForStop } from './process/lifetime.ts';
export { version } from './version.ts';
