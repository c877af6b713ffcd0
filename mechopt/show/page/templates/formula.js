"use strict";
(() => {
  // The value and the mechanism at a rational point, in exact integers: nothing here is a float but what is drawn.
  const data = JSON.parse(document.getElementById("formula-data").textContent);
  const gcd = (a, b) => { a = a < 0n ? -a : a; b = b < 0n ? -b : b; while (b) [a, b] = [b, a % b]; return a; };
  const ratio = (n, d) => {
    if (d < 0n) [n, d] = [-n, -d];
    const common = gcd(n, d) || 1n;
    return [n / common, d / common];
  };
  const read = (text) => {
    const fraction = /^\s*([+-]?\d+)\s*\/\s*(\d+)\s*$/.exec(text);
    if (fraction && BigInt(fraction[2])) return ratio(BigInt(fraction[1]), BigInt(fraction[2]));
    const decimal = /^\s*([+-]?)(\d+)(?:\.(\d+))?\s*$/.exec(text);
    if (!decimal) return null;
    const digits = decimal[3] || "";
    return ratio(BigInt(`${decimal[1]}${decimal[2]}${digits}`), 10n ** BigInt(digits.length));
  };
  const less = (a, b) => a[0] * b[1] < b[0] * a[1];
  // Sum of c_k n^k d^(degree - k): the polynomial times d^degree.
  const scaled = (polynomial, p) => {
    let total = 0n, scale = 1n;
    for (let k = polynomial.length - 1; k >= 0; k--) {
      total = total * p[0] + BigInt(polynomial[k]) * scale;
      scale *= p[1];
    }
    return total;
  };
  const power = (polynomial, p) => p[1] ** BigInt(Math.max(polynomial.length - 1, 0));
  const value = (f, p) => {
    const above = scaled(f.numerator, p) * power(f.denominator, p);
    const below = scaled(f.denominator, p) * power(f.numerator, p);
    return below ? ratio(above, below) : null;
  };
  const written = (r) => (r === null ? "no limit" : r[1] === 1n ? `${r[0]}` : `${r[0]}/${r[1]}`);
  const decimals = (r) => {
    if (r === null) return "";
    const sign = r[0] < 0n ? "-" : "", size = ((r[0] < 0n ? -r[0] : r[0]) * 10n ** 9n * 2n + r[1]) / (2n * r[1]);
    const digits = size.toString().padStart(10, "0");
    return `${sign}${digits.slice(0, -9)}.${digits.slice(-9)}`.replace(/\.?0+$/, "");
  };
  // -1, 0, 1: the point is below, at or above an end, which is a root of a polynomial within a bracket.
  const compared = (p, end) => {
    const [lower, upper] = end.bracket.map(read);
    if (less(p, lower)) return -1;
    if (less(upper, p)) return 1;
    const at = scaled(end.polynomial, p);
    if (at === 0n) return 0;
    return (at > 0n) === (scaled(end.polynomial, upper) > 0n) ? 1 : -1;
  };
  const holding = (parts, p) => {
    const found = parts.filter((part) => compared(p, part.from) >= 0 && compared(p, part.to) <= 0);
    const included = found.find((part) => (compared(p, part.from) > 0 || part.closed[0])
      && (compared(p, part.to) < 0 || part.closed[1]));
    return included || found[0];
  };

  const slider = document.getElementById("formula-slider"), field = document.getElementById("formula-point");
  const start = read(data.start), stop = read(data.stop);
  const put = (id, text) => { document.getElementById(id).textContent = text; };
  const entry = (f, p) => (typeof f === "string" ? f : written(value(data.functions[f], p)));
  function show(p) {
    const piece = holding(data.pieces, p), basis = holding(data.bases, p), apart = data.points[written(p)];
    if (!piece || !basis) {
      put("formula-value", "not reached");
      return;
    }
    const worth = apart === undefined ? value(piece, p) : read(apart);
    const exact = written(worth);
    put("formula-value", worth !== null && worth[1] === 1n ? exact : `${exact} = ${decimals(worth)}`);
    put("formula-piece", piece.text);
    put("formula-ends", `${piece.from.text} to ${piece.to.text}`);
    const body = document.getElementById("formula-rules");
    body.replaceChildren(...(apart === undefined ? basis.rules : []).map((row) => {
      const line = document.createElement("tr");
      for (const cell of row) {
        const place = document.createElement("td");
        place.textContent = cell.map((part) => entry(part, p)).join("");
        line.append(place);
      }
      return line;
    }));
    const width = [stop[0] * start[1] - start[0] * stop[1], stop[1] * start[1]];
    const along = [p[0] * start[1] - start[0] * p[1], p[1] * start[1]];
    slider.value = String(Number((along[0] * width[1] * 100000n) / (along[1] * width[0])) / 100);
    slider.setAttribute("aria-valuetext", `${data.parameter} = ${written(p)}, ${exact}`);
    field.removeAttribute("aria-invalid");
  }
  slider.addEventListener("input", () => {
    const k = BigInt(Math.round(Number(slider.value)));
    const p = ratio(start[0] * stop[1] * (1000n - k) + stop[0] * start[1] * k, start[1] * stop[1] * 1000n);
    field.value = written(p);
    show(p);
  });
  field.addEventListener("input", () => {
    const p = read(field.value);
    if (p === null || less(p, start) || less(stop, p)) field.setAttribute("aria-invalid", "true");
    else show(p);
  });
  document.getElementById("formula-live").hidden = false;
  show(read(field.value));
})();
