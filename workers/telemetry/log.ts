/** A worker's log: Temporal's text lines, or with SELM_LOG=json one JSON object per event. */
import { DefaultLogger, type Logger, type LogLevel } from '@temporalio/worker';
import { pino } from 'pino';
import { InputError } from '../../data/errors.ts';

const FORMATS = ['text', 'json'];

/** Names of properties that may contain keys. Their values are removed from events. */
const SECRETS = ['apiKey', 'token', 'password', 'secret', 'authorization', 'Authorization'];

/** Creates the logger. @throws InputError when SELM_LOG is neither text nor json */
export function createLogger(level: LogLevel): Logger {
  const format = process.env['SELM_LOG'] ?? 'text';
  if (!FORMATS.includes(format)) throw new InputError(`SELM_LOG=${format} is no format: give text or json.`);
  return format === 'json' ? jsonLogger(level) : new DefaultLogger(level);
}

function jsonLogger(level: LogLevel): Logger {
  const output = pino(
    {
      level: level.toLowerCase(),
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`]), censor: '[secret]' },
    },
    pino.destination({ dest: process.stderr.fd, sync: true }),
  );
  const write = (at: LogLevel, message: string, meta: Record<string, unknown> = {}) => {
    // Native code and activities may throw values of any type.
    const { error, ...rest } = meta;
    output[at.toLowerCase() as 'info']({ ...rest, ...(error !== undefined && { err: error }) }, message);
  };
  return {
    log: write,
    trace: (message, meta) => write('TRACE', message, meta),
    debug: (message, meta) => write('DEBUG', message, meta),
    info: (message, meta) => write('INFO', message, meta),
    warn: (message, meta) => write('WARN', message, meta),
    error: (message, meta) => write('ERROR', message, meta),
  };
}
