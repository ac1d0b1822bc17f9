//! Exact decimals: `rust_decimal::Decimal` and `bigdecimal::BigDecimal`, each behind the feature of its crate.
//!
//! Between the Rust type and a backend the value is plain text (`-12.50`). Digits are never rounded away: a number that
//! has too many for its type is an error.

#[cfg(any(feature = "rust_decimal", feature = "bigdecimal"))]
macro_rules! decimal {
    ($ty:ty) => {
        impl crate::value::ColumnValue for $ty {
            const TYPE: crate::value::ColumnType = crate::value::ColumnType::scalar(crate::value::ScalarType::Decimal);

            fn to_value(&self) -> Result<crate::value::Value, crate::value::ValueError> {
                plain(self).map(crate::value::Value::Decimal)
            }

            fn from_value(value: crate::value::Value) -> Result<Self, crate::value::ValueError> {
                match value {
                    crate::value::Value::Decimal(text) | crate::value::Value::Text(text) => {
                        parsed(&text).ok_or_else(|| {
                            crate::value::ValueError::new("the number does not fit this decimal type")
                                .with_detail(format!("`{text}` does not fit this decimal type"))
                        })
                    }
                    other => Err(crate::value::ValueError::mismatch("numeric", &other)),
                }
            }
        }

        impl crate::value::sequence::ArrayElement for $ty {}
    };
}

#[cfg(feature = "rust_decimal")]
mod rust_decimal {
    use ::rust_decimal::Decimal;

    use crate::value::ValueError;

    fn plain(value: &Decimal) -> Result<String, ValueError> {
        // Zero has a sign here and nowhere else.
        if value.is_zero() {
            let mut zero = *value;
            zero.set_sign_positive(true);
            return Ok(zero.to_string());
        }
        Ok(value.to_string())
    }

    fn parsed(text: &str) -> Option<Decimal> {
        Decimal::from_str_exact(text).ok().or_else(|| {
            // Zeros at the end of a fraction that is too long for the type.
            let (whole, fraction) = text.split_once('.')?;
            Decimal::from_str_exact(&format!("{whole}.{}", fraction.trim_end_matches('0'))).ok()
        })
    }

    decimal!(Decimal);
}

#[cfg(feature = "bigdecimal")]
mod bigdecimal {
    use ::bigdecimal::BigDecimal;

    use crate::value::ValueError;

    /// As many digits as PostgreSQL keeps before and after the point; written out, an exponent can take all memory.
    const MOST_BEFORE: i128 = 131_072;
    const MOST_AFTER: i64 = 16_383;

    fn plain(value: &BigDecimal) -> Result<String, ValueError> {
        let after = value.fractional_digit_count();
        if value.digits() == 1 && after < 0 && value.sign() == ::bigdecimal::num_bigint::Sign::NoSign {
            return Ok("0".to_owned());
        }
        let before = i128::from(value.digits()) - i128::from(after);
        if after > MOST_AFTER || before > MOST_BEFORE {
            return Err(ValueError::new(format!(
                "the decimal has more than {MOST_BEFORE} digits before or {MOST_AFTER} after the point"
            )));
        }
        Ok(value.to_plain_string())
    }

    fn parsed(text: &str) -> Option<BigDecimal> {
        text.parse().ok()
    }

    decimal!(BigDecimal);
}

#[cfg(all(test, feature = "rust_decimal", feature = "bigdecimal"))]
mod tests {
    use ::bigdecimal::BigDecimal;
    use ::rust_decimal::Decimal;

    use crate::value::{ColumnValue, Value};

    #[test]
    fn zero_has_no_sign() {
        for text in ["-0", "-0.00"] {
            let value: Decimal = text.parse().unwrap();
            assert_eq!(value.to_value().unwrap(), Value::Decimal(text.trim_start_matches('-').to_owned()));
        }
    }

    #[test]
    fn a_stored_number_is_never_rounded() {
        let read = |text: &str| Decimal::from_value(Value::Decimal(text.to_owned())).map_err(|error| error.to_string());
        assert_eq!(read("0.0000000000000000000000000001").unwrap().to_string(), "0.0000000000000000000000000001");
        assert_eq!(read("-1.500000000000000000000000000000000").unwrap().to_string(), "-1.5");
        for text in
            ["0.00000000000000000000000000001", "79228162514264337593543950336", "1.00000000000000000000000000001"]
        {
            assert_eq!(read(text).unwrap_err(), "the number does not fit this decimal type", "{text}");
        }
    }

    #[test]
    fn an_exponent_is_not_written_out_beyond_what_a_database_keeps() {
        let stored = |text: &str| text.parse::<BigDecimal>().unwrap().to_value().map_err(|error| error.to_string());
        assert_eq!(stored("12e3").unwrap(), Value::Decimal("12000".into()));
        assert_eq!(stored("0e4000000000").unwrap(), Value::Decimal("0".into()));
        for text in ["1e131072", "1e4000000000", "1e-16384", "0e-16384"] {
            let message = "the decimal has more than 131072 digits before or 16383 after the point";
            assert_eq!(stored(text).unwrap_err(), message, "{text}");
        }
        assert!(stored("9e131071").is_ok() && stored("-1e-16383").is_ok());
    }
}
