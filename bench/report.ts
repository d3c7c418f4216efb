export const describe = () => '# Performance\n';
