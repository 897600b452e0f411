//! Punycode as RFC 3492 writes it down, in numbers that don't overflow: what the server's own reading is compared with.

/// RFC 3492 §6.2.
pub fn decode(code: &str) -> Option<String> {
    let (basic, mut rest) = match code.rsplit_once('-') {
        Some(("", _)) => return None,
        Some((basic, rest)) => (basic, rest.bytes()),
        None => ("", code.bytes()),
    };
    let mut output: Vec<u128> = basic.chars().map(|letter| u128::from(u32::from(letter))).collect();
    let (mut n, mut i, mut bias) = (128, 0, 72);
    while rest.len() > 0 {
        let (old, mut weight, mut k) = (i, 1, 36);
        loop {
            let digit = match rest.next()? {
                letter @ b'a'..=b'z' => u128::from(letter - b'a'),
                figure @ b'0'..=b'9' => u128::from(figure - b'0') + 26,
                _ => return None,
            };
            i += digit * weight;
            let t = threshold(k, bias);
            if digit < t {
                break;
            }
            // Beyond what any code point needs: enough is seen.
            weight = (weight * (36 - t)).min(1 << 64);
            k += 36;
        }
        let count = output.len() as u128 + 1;
        bias = adapt(i - old, count, old == 0);
        n += i / count;
        i %= count;
        if n > 0x10_FFFF {
            return None;
        }
        output.insert(i as usize, n);
        i += 1;
    }
    output.into_iter().map(|number| char::from_u32(number as u32)).collect()
}

/// RFC 3492 §6.3.
pub fn encode(text: &str) -> String {
    let input: Vec<u128> = text.chars().map(|letter| u128::from(u32::from(letter))).collect();
    let mut output: String = text.chars().filter(char::is_ascii).collect();
    let basic = output.len() as u128;
    if basic > 0 {
        output.push('-');
    }
    let (mut n, mut delta, mut bias, mut done) = (128, 0, 72, basic);
    while done < input.len() as u128 {
        let next = input.iter().copied().filter(|&letter| letter >= n).min().unwrap_or(n);
        delta += (next - n) * (done + 1);
        n = next;
        for &letter in &input {
            if letter < n {
                delta += 1;
            }
            if letter == n {
                let (mut q, mut k) = (delta, 36);
                loop {
                    let t = threshold(k, bias);
                    if q < t {
                        break;
                    }
                    output.push(digit(t + (q - t) % (36 - t)));
                    q = (q - t) / (36 - t);
                    k += 36;
                }
                output.push(digit(q));
                bias = adapt(delta, done + 1, done == basic);
                delta = 0;
                done += 1;
            }
        }
        delta += 1;
        n += 1;
    }
    output
}

fn threshold(k: u128, bias: u128) -> u128 {
    if k <= bias { 1 } else { (k - bias).min(26) }
}

fn adapt(delta: u128, count: u128, is_first: bool) -> u128 {
    let mut delta = if is_first { delta / 700 } else { delta / 2 };
    delta += delta / count;
    let mut k = 0;
    while delta > 455 {
        delta /= 35;
        k += 36;
    }
    k + 36 * delta / (delta + 38)
}

fn digit(number: u128) -> char {
    char::from(if number < 26 { b'a' + number as u8 } else { b'0' + (number - 26) as u8 })
}
