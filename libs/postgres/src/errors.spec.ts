import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { failure } from '@keymesh/contracts';
import {
  QueryFailedError,
  QueryRunnerAlreadyReleasedError,
  QueryRunnerProviderAlreadyReleasedError,
} from 'typeorm';
import { isUniqueViolation, translatePostgresError } from './errors.js';

const driverError = (code: string | undefined, message = 'x', more: object = {}) =>
  Object.assign(new Error(message), { code, ...more });

describe('translatePostgresError', () => {
  it.each([
    '08006',
    '53300',
    '57P01',
    '57014',
    '58030',
    '40001',
    '55P03',
    'ECONNREFUSED',
    'ECONNRESET',
    '28P01',
  ])('takes %s for a store that is away', (code) => {
    expect(translatePostgresError(driverError(code)).code).toBe('STORE_UNAVAILABLE');
  });

  it.each(['Connection terminated unexpectedly', 'timeout exceeded when trying to connect'])(
    'takes "%s" for it too',
    (text) => {
      expect(translatePostgresError(driverError(undefined, text)).code).toBe('STORE_UNAVAILABLE');
    },
  );

  it.each([new QueryRunnerAlreadyReleasedError(), new QueryRunnerProviderAlreadyReleasedError()])(
    'takes a connection that broke between two statements for it too: $name',
    (error) => {
      expect(translatePostgresError(error).code).toBe('STORE_UNAVAILABLE');
    },
  );

  it.each(['23505', '42P01', '22P02', '42501', undefined])('takes %s for a fault of ours', (code) => {
    expect(translatePostgresError(driverError(code)).code).toBe('INTERNAL');
  });

  it('says what to check when the server is there and refuses us', () => {
    expect(translatePostgresError(driverError('28P01', 'password of CANARY')).message).toMatch(
      /^The database refuses the login/,
    );
    expect(translatePostgresError(driverError('3D000', 'CANARY')).message).toMatch(
      /^The database server has no such database/,
    );
  });

  it('leaves our own failures alone', () => {
    const ours = failure('VERSION_CONFLICT');
    expect(translatePostgresError(ours)).toBe(ours);
  });

  it('keeps nothing that quotes a row, a parameter or a statement', () => {
    const driver = driverError('23505', 'duplicate CANARY', {
      detail: 'Key (name)=(CANARY)',
      constraint: 'credential_name',
    });
    const translated = translatePostgresError(new QueryFailedError('INSERT CANARY', ['CANARY'], driver));
    expect(inspect(translated, { depth: 9, showHidden: true })).not.toContain('CANARY');
    expect(translated.details).toMatchObject({ sqlState: '23505', constraint: 'credential_name' });
  });

  it('knows a unique violation through TypeORM, by constraint', () => {
    const driver = driverError('23505', 'x', { constraint: 'credential_name' });
    expect(isUniqueViolation(new QueryFailedError('q', [], driver))).toBe(true);
    expect(isUniqueViolation(driver, 'credential_name')).toBe(true);
    expect(isUniqueViolation(driver, 'other')).toBe(false);
  });
});
