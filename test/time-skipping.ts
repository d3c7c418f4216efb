/** Temporal's own test server, which skips the time that workflows wait; fetched once with Maven. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { madeOnce } from './made-once.ts';

const VERSION = '1.38.0';
const STARTS = 10;

const POM = `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>selm</groupId><artifactId>test-server</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>io.temporal</groupId><artifactId>temporal-test-server</artifactId><version>${VERSION}</version></dependency>
  </dependencies>
</project>
`;

/** The server as an executable. */
export async function findTestServer(): Promise<string> {
  const folder = await madeOnce(`temporal-test-server-${VERSION}`, async (made) => {
    writeFileSync(join(made, 'pom.xml'), POM);
    const libraries = join(made, 'lib');
    const copy = ['--quiet', 'dependency:copy-dependencies', `-DoutputDirectory=${libraries}`];
    await promisify(execFile)('mvn', copy, { cwd: made });
    const script = `#!/bin/sh\nexec java -cp "${libraries}/*" io.temporal.testserver.TestServer "$@"\n`;
    writeFileSync(join(made, 'test-server'), script, { mode: 0o755 });
  });
  return join(folder, 'test-server');
}

/** A server on which awaiting a workflow's result skips what it waits for. */
export async function startTimeSkipping(): Promise<TestWorkflowEnvironment> {
  const executable = { type: 'existing-path', path: await findTestServer() } as const;
  for (let tries = 1; ; tries++) {
    try {
      return await TestWorkflowEnvironment.createTimeSkipping({ server: { executable } });
    } catch (error) {
      // The SDK gives it 5 s, in which a JVM may not start on a busy machine.
      if (tries === STARTS || !/did not start within/.test((error as Error).message)) throw error;
    }
  }
}
