/** The number of elements of a tensor of this shape; 1 for a scalar's. */
export const elementCount = (shape: number[]): number => shape.reduce((count, size) => count * size, 1);
