//! TCB statuses and how those of platform, TDX module and quoting enclave combine.

use core::fmt;

/// What Intel says of a TCB level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[non_exhaustive]
pub enum TcbStatus {
    /// The platform has the newest security updates.
    UpToDate,
    /// Up to date; software must be hardened against listed advisories.
    SWHardeningNeeded,
    /// Up to date; the platform's configuration (BIOS, SMT) must change.
    ConfigurationNeeded,
    /// Configuration must change and software must be hardened.
    ConfigurationAndSWHardeningNeeded,
    /// A TD launched on an out-of-date TCB that has since been updated: relaunch the TD.
    TDRelaunchAdvised,
    /// As [`Self::TDRelaunchAdvised`], and the platform's configuration must change.
    TDRelaunchAdvisedConfigurationNeeded,
    /// Security updates are missing.
    OutOfDate,
    /// Security updates are missing and the configuration must change.
    OutOfDateConfigurationNeeded,
    /// Keys of this TCB level are compromised. Never in claims: it is refused.
    Revoked,
}

impl TcbStatus {
    /// The status as Intel spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UpToDate => "UpToDate",
            Self::SWHardeningNeeded => "SWHardeningNeeded",
            Self::ConfigurationNeeded => "ConfigurationNeeded",
            Self::ConfigurationAndSWHardeningNeeded => "ConfigurationAndSWHardeningNeeded",
            Self::TDRelaunchAdvised => "TDRelaunchAdvised",
            Self::TDRelaunchAdvisedConfigurationNeeded => "TDRelaunchAdvisedConfigurationNeeded",
            Self::OutOfDate => "OutOfDate",
            Self::OutOfDateConfigurationNeeded => "OutOfDateConfigurationNeeded",
            Self::Revoked => "Revoked",
        }
    }

    /// Parses a status that TCB info may give a platform level. Relaunch statuses are results of
    /// verification and never appear in collateral.
    pub(crate) fn parse_platform(text: &str) -> Option<Self> {
        Some(match text {
            "UpToDate" => Self::UpToDate,
            "SWHardeningNeeded" => Self::SWHardeningNeeded,
            "ConfigurationNeeded" => Self::ConfigurationNeeded,
            "ConfigurationAndSWHardeningNeeded" => Self::ConfigurationAndSWHardeningNeeded,
            "OutOfDate" => Self::OutOfDate,
            "OutOfDateConfigurationNeeded" => Self::OutOfDateConfigurationNeeded,
            "Revoked" => Self::Revoked,
            _ => return None,
        })
    }

    /// Parses a status that an enclave or TDX module identity may give a level.
    pub(crate) fn parse_identity(text: &str) -> Option<Self> {
        Some(match text {
            "UpToDate" => Self::UpToDate,
            "OutOfDate" => Self::OutOfDate,
            "Revoked" => Self::Revoked,
            _ => return None,
        })
    }

    /// Combines the platform's status with that of a component (TDX module or quoting enclave).
    pub(crate) fn converge(self, component: Self) -> Self {
        match (component, self) {
            (Self::Revoked, _) | (_, Self::Revoked) => Self::Revoked,
            (Self::OutOfDate, Self::UpToDate | Self::SWHardeningNeeded) => Self::OutOfDate,
            (
                Self::OutOfDate,
                Self::ConfigurationNeeded | Self::ConfigurationAndSWHardeningNeeded,
            ) => Self::OutOfDateConfigurationNeeded,
            (_, platform) => platform,
        }
    }

    /// Combines the status at launch (`self`) with the status now of a TD whose module was updated
    /// underneath it.
    pub(crate) fn relaunch(self, now: Self) -> Self {
        let launched_out_of_date =
            matches!(self, Self::OutOfDate | Self::OutOfDateConfigurationNeeded);
        let fine_now = matches!(
            now,
            Self::UpToDate
                | Self::SWHardeningNeeded
                | Self::ConfigurationNeeded
                | Self::ConfigurationAndSWHardeningNeeded
        );
        if !(launched_out_of_date && fine_now) {
            return self;
        }
        if self.needs_configuration() || now.needs_configuration() {
            Self::TDRelaunchAdvisedConfigurationNeeded
        } else {
            Self::TDRelaunchAdvised
        }
    }

    fn needs_configuration(self) -> bool {
        matches!(
            self,
            Self::ConfigurationNeeded
                | Self::OutOfDateConfigurationNeeded
                | Self::ConfigurationAndSWHardeningNeeded
                | Self::TDRelaunchAdvisedConfigurationNeeded
        )
    }
}

impl fmt::Display for TcbStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::TcbStatus::{self, *};

    /// Every platform status with an out-of-date component: Intel's convergence table.
    #[test]
    fn an_out_of_date_component_makes_the_platform_out_of_date() {
        for (platform, expected) in [
            (UpToDate, OutOfDate),
            (SWHardeningNeeded, OutOfDate),
            (ConfigurationNeeded, OutOfDateConfigurationNeeded),
            (ConfigurationAndSWHardeningNeeded, OutOfDateConfigurationNeeded),
            (OutOfDate, OutOfDate),
            (OutOfDateConfigurationNeeded, OutOfDateConfigurationNeeded),
            (Revoked, Revoked),
        ] {
            assert_eq!(platform.converge(OutOfDate), expected, "{platform}");
            assert_eq!(platform.converge(UpToDate), platform);
            assert_eq!(platform.converge(Revoked), Revoked);
        }
    }

    #[test]
    fn relaunch_is_advised_only_from_out_of_date_to_not_out_of_date() {
        let all = [
            UpToDate,
            SWHardeningNeeded,
            ConfigurationNeeded,
            ConfigurationAndSWHardeningNeeded,
            OutOfDate,
            OutOfDateConfigurationNeeded,
        ];
        let advised = |launch: TcbStatus, now: TcbStatus| match (launch, now) {
            (OutOfDate, UpToDate | SWHardeningNeeded) => Some(TDRelaunchAdvised),
            (OutOfDate, ConfigurationNeeded | ConfigurationAndSWHardeningNeeded)
            | (
                OutOfDateConfigurationNeeded,
                UpToDate
                | SWHardeningNeeded
                | ConfigurationNeeded
                | ConfigurationAndSWHardeningNeeded,
            ) => Some(TDRelaunchAdvisedConfigurationNeeded),
            _ => None,
        };
        for launch in all {
            for now in all {
                let expected = advised(launch, now).unwrap_or(launch);
                assert_eq!(launch.relaunch(now), expected, "{launch} then {now}");
            }
        }
    }
}
