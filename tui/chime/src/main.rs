//! `blotter-chime pop|profit|loss`: plays one sound and ends; `blotter-chime check` only opens the
//! device. A program of its own, because an audio library may print, hang or be missing, and none
//! of that may reach the client's screen: it closes our output, waits two seconds, and rings the
//! terminal's bell when this fails.
//!
//! The sounds are our own (`assets/sounds/synthesise.py`) and part of this program.

use std::io::Cursor;
use std::process::ExitCode;

use anyhow::{Context, bail};
use rodio::DeviceSinkBuilder;

const POP: &[u8] = include_bytes!("../../../assets/sounds/pop.wav");
const PROFIT: &[u8] = include_bytes!("../../../assets/sounds/profit.wav");
const LOSS: &[u8] = include_bytes!("../../../assets/sounds/loss.wav");

fn main() -> ExitCode {
    match run(std::env::args().nth(1).as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("blotter-chime: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(word: Option<&str>) -> anyhow::Result<()> {
    let sound = match word {
        Some("pop") => POP,
        Some("profit") => PROFIT,
        Some("loss") => LOSS,
        Some("check") => &[],
        Some(_) | None => bail!("usage: blotter-chime pop|profit|loss|check"),
    };
    let mut sink = DeviceSinkBuilder::open_default_sink().context("no audio device")?;
    sink.log_on_drop(false);
    if !sound.is_empty() {
        let player = rodio::play(sink.mixer(), Cursor::new(sound)).context("the sound cannot be played")?;
        player.sleep_until_end();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rodio::Source;

    use super::*;

    #[test]
    fn every_sound_is_a_short_mono_wave() {
        for (name, bytes) in [("pop", POP), ("profit", PROFIT), ("loss", LOSS)] {
            let wave = rodio::Decoder::new(Cursor::new(bytes)).unwrap();
            assert_eq!((wave.channels().get(), wave.sample_rate().get()), (1, 22_050), "{name}");
            let seconds = wave.total_duration().unwrap().as_secs_f32();
            assert!((0.05..1.6).contains(&seconds), "{name}: {seconds} s");
            let peak = wave.fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            assert!((0.2..0.95).contains(&peak), "{name}: audible and not clipped, peak {peak}");
        }
    }

    #[test]
    fn an_unknown_word_is_refused() {
        assert!(run(Some("fanfare")).unwrap_err().to_string().contains("usage"));
    }
}
