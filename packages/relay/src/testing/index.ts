export {
  type ContractRunner,
  type EngineUnderTest,
  type EngineUnderTestOptions,
  runEngineContract,
} from './engine-contract.ts';
export { findNatsServer, type NatsCluster, type NatsServer, startNats } from './servers/nats-server.ts';
export {
  findPostgres,
  type PostgresServer,
  type PostgresServerOptions,
  startPostgres,
} from './servers/postgres-server.ts';
export { calmMail, type MailEnd, type MailWeather, roughMail, type SeenMail, SimulatedMail } from './simulated-mail.ts';
