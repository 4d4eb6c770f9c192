//! Filters as the kernel takes them: programs for its packet filter (`Documentation/userspace-api/seccomp_filter.rst`).

use libc::sock_filter;

/// Offsets in `seccomp_data`.
pub(in crate::sandbox) const NUMBER: u32 = 0;
pub(in crate::sandbox) const ARCHITECTURE: u32 = 4;
pub(super) const FIRST_ARGUMENT: u32 = 16;

/// The offset of the lower half of an argument, the first being 0.
pub(in crate::sandbox) fn argument(place: usize) -> u32 {
    let half = if cfg!(target_endian = "big") { 4 } else { 0 };
    FIRST_ARGUMENT + half + u32::try_from(8 * place).unwrap_or_default()
}

/// From this number on, up to the next step, the answer is this one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Step {
    pub(super) from: u32,
    pub(super) answer: u32,
}

/// The steps of answers to single numbers, sorted by number; `otherwise` to all others.
pub(super) fn steps(answers: impl IntoIterator<Item = (u32, u32)>, otherwise: u32) -> Vec<Step> {
    let mut steps = vec![Step { from: 0, answer: otherwise }];
    let mut push = |from: u32, answer: u32| {
        let last = steps.len() - 1;
        if steps[last].from == from {
            steps[last].answer = answer;
        } else if steps[last].answer != answer {
            steps.push(Step { from, answer });
        }
    };
    // The number after the last one; none after the greatest there is.
    let mut next = Some(0);
    for (number, answer) in answers {
        if let Some(next) = next.filter(|next| *next < number) {
            push(next, otherwise);
        }
        push(number, answer);
        next = number.checked_add(1);
    }
    if let Some(next) = next {
        push(next, otherwise);
    }
    // Two that became alike when one of them was changed.
    steps.dedup_by_key(|step| step.answer);
    steps
}

/// Looks the call's number up, which must be loaded, and answers.
///
/// A tree, because the kernel runs a new filter once for every number there is, and old filters for every call: a list of
/// as many comparisons costs a fifth of a millisecond for each step.
pub(super) fn look_up(steps: &[Step]) -> Vec<sock_filter> {
    if let [only] = steps {
        return vec![give(only.answer)];
    }
    let (lower, upper) = steps.split_at(steps.len() / 2);
    let below = look_up(lower);
    let mut program = jump_over(libc::BPF_JGE, upper[0].from, &below);
    program.extend(below);
    program.extend(look_up(upper));
    program
}

/// Gives `answer` to the numbers in a sorted list and `otherwise` to all others.
pub(in crate::sandbox) fn search(numbers: &[u32], answer: u32, otherwise: u32) -> Vec<sock_filter> {
    look_up(&steps(numbers.iter().map(|number| (*number, answer)), otherwise))
}

/// Where the condition holds, goes on behind `block`, else into it.
fn jump_over(condition: u32, value: u32, block: &[sock_filter]) -> Vec<sock_filter> {
    match u8::try_from(block.len()) {
        Ok(distance) => vec![jump(condition, value, distance, 0)],
        // Too far for a conditional jump.
        Err(_) => vec![jump(condition, value, 0, 1), go(block.len())],
    }
}

/// Runs `block`, which must end with an answer, if the loaded value is `value`, else goes on behind it.
pub(in crate::sandbox) fn only_for(value: u32, block: &[sock_filter]) -> Vec<sock_filter> {
    let mut program = match u8::try_from(block.len()) {
        Ok(distance) => vec![jump(libc::BPF_JEQ, value, 0, distance)],
        Err(_) => vec![jump(libc::BPF_JEQ, value, 1, 0), go(block.len())],
    };
    program.extend(block);
    program
}

fn go(distance: usize) -> sock_filter {
    statement(libc::BPF_JMP | libc::BPF_JA, u32::try_from(distance).unwrap_or(u32::MAX))
}

pub(in crate::sandbox) fn load(offset: u32) -> sock_filter {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

pub(in crate::sandbox) fn give(answer: u32) -> sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, answer)
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: u16::try_from(code).unwrap_or_default(), jt: 0, jf: 0, k }
}

pub(in crate::sandbox) fn jump(condition: u32, k: u32, if_so: u8, if_not: u8) -> sock_filter {
    let mut jump = statement(libc::BPF_JMP | condition | libc::BPF_K, k);
    (jump.jt, jump.jf) = (if_so, if_not);
    jump
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a program answers, by a small interpreter of the statements that are used.
    pub(in crate::sandbox::seccomp) fn answer(
        program: &[sock_filter],
        architecture: u32,
        number: u32,
        argument: u32,
    ) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let statement = program[at];
            let code = u32::from(statement.code);
            at += 1;
            let offset = |holds: bool| usize::from(if holds { statement.jt } else { statement.jf });
            match code & 0x07 {
                libc::BPF_LD => {
                    value = match statement.k {
                        NUMBER => number,
                        ARCHITECTURE => architecture,
                        _ => argument,
                    }
                }
                libc::BPF_RET => return statement.k,
                _ => {
                    at += match code & 0xf0 {
                        libc::BPF_JA => usize::try_from(statement.k).expect("small"),
                        libc::BPF_JEQ => offset(value == statement.k),
                        libc::BPF_JGE => offset(value >= statement.k),
                        _ => offset(value & statement.k != 0),
                    }
                }
            }
        }
    }

    #[test]
    fn every_number_gets_its_answer_however_many_there_are() {
        for (row, numbers) in [
            ("none", vec![]),
            ("the first", vec![0]),
            ("neighbours", vec![3, 4, 5, 9]),
            ("the last", vec![u32::MAX]),
            ("many apart", (0..700).map(|number| number * 2).collect::<Vec<_>>()),
        ] {
            let mut program = vec![load(NUMBER)];
            program.extend(search(&numbers, 1, 2));
            for number in (0..1500).chain([u32::MAX - 1, u32::MAX]) {
                let want = if numbers.contains(&number) { 1 } else { 2 };
                assert_eq!(answer(&program, 0, number, 0), want, "{row}: {number}");
            }
        }
    }
}
