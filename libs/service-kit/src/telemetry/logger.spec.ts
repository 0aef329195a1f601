import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { failure } from '@keymesh/contracts';
import { Secret } from '@keymesh/kernel';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { makeLogger, type Logger } from './logger.js';
import { nestLogger } from './nest-logger.js';

const CANARY = 'cnry-4f1c';

function capture(level: 'info' | 'trace' = 'trace'): {
  logger: Logger;
  lines: () => Record<string, unknown>[];
  text: () => string;
} {
  const written: string[] = [];
  const destination = { write: (line: string) => void written.push(line) };
  return {
    logger: makeLogger({ service: 'vault', instance: 'i-1', level, destination }),
    lines: () => written.map((line) => JSON.parse(line) as Record<string, unknown>),
    text: () => written.join(''),
  };
}

describe('the logger', () => {
  it('writes JSON lines with service, instance, level by name and time', () => {
    const { logger, lines } = capture();
    logger.info({ requestId: 'r1', durationMs: 3 }, 'operation served');
    expect(lines()[0]).toMatchObject({
      level: 'info',
      service: 'vault',
      instance: 'i-1',
      requestId: 'r1',
      msg: 'operation served',
    });
    expect(lines()[0]?.time).toMatch(/^\d{4}-.*Z$/);
  });

  it('leaves out what is below the level', () => {
    const { logger, lines } = capture('info');
    logger.debug({}, 'no');
    expect(lines()).toEqual([]);
  });

  it('carries the ids of the active span', () => {
    const { logger, lines } = capture();
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    const span = trace.wrapSpanContext({ traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 1 });
    context.with(trace.setSpan(context.active(), span), () => logger.info('inside'));
    logger.info('outside');
    expect(lines()[0]).toMatchObject({ trace_id: '1'.repeat(32), span_id: '2'.repeat(16) });
    expect(lines()[1]).not.toHaveProperty('trace_id');
    context.disable();
  });

  it('shows no value: not of a Secret, a careless field, nor the text of a foreign error or its cause', () => {
    const { logger, text } = capture();
    const secret = Secret.fromText(CANARY, 'api-key');
    logger.info({ secret, nested: { secret } }, `the key is ${String(secret)} ${inspect(secret)}`);
    logger.info({ password: CANARY, a: { token: CANARY }, b: { c: { value: CANARY } } }, 'careless');
    const parser = new SyntaxError(`Unexpected token in "${CANARY}"`);
    logger.error({ err: parser }, 'failed');
    logger.error({ error: new Error('outer', { cause: parser }) }, 'failed');
    logger.error(parser);
    logger.error(parser, 'with a text');
    logger.error({ err: failure('INTERNAL', { cause: parser }) }, 'failed');
    nestLogger(logger).error(parser);
    logger.info({ control: 'cntrl-9b' }, 'control');
    expect(text()).toContain('cntrl-9b');
    expect(text()).not.toContain(CANARY);
    expect(text()).not.toContain(Buffer.from(CANARY).toString('base64').slice(0, 12));
  });

  it('describes our errors in full and foreign ones by type, code and place', () => {
    const { logger, lines } = capture();
    logger.warn({ err: failure('KMS_UNAVAILABLE', { details: { kms: 'local' } }) }, 'no key');
    logger.warn({ err: Object.assign(new TypeError('x'), { code: 'ECONNREFUSED' }) }, 'no server');
    expect(lines()[0]?.err).toMatchObject({
      type: 'KeymeshError',
      code: 'KMS_UNAVAILABLE',
      details: { kms: 'local' },
    });
    expect(lines()[1]?.err).toMatchObject({
      type: 'TypeError',
      code: 'ECONNREFUSED',
      at: expect.stringContaining('logger.spec'),
    });
    expect(lines()[1]?.err).not.toHaveProperty('message');
  });

  it("takes Nest's announcements at debug and its warnings as they are", () => {
    const { logger, lines } = capture();
    const nest = nestLogger(logger);
    nest.log('Mapped route', 'Router');
    nest.warn('careful', 'Injector');
    expect(lines()).toMatchObject([
      { level: 'debug', msg: 'Mapped route', context: 'Router', component: 'nest' },
      { level: 'warn', msg: 'careful' },
    ]);
  });
});
